"""The probe goes a student's whole way, names the step that fails, and cleans up in any case."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shlex
import ssl
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from live import jupyter, probe
from swarmhub.errors import UserError
from tests.support.certificates import Authority
from tests.unit.live.fake_hub import PASSWORD, QUOTA_BYTES, QUOTA_GB, TOKEN, USER, FakeHub

HUB_NAME = "hub.example.org"


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(probe, "RETRY_SECONDS", 0.01)


def run_probe(hub: FakeHub, **changes: Any) -> dict[str, float]:
    async def run() -> dict[str, float]:
        async with hub.serve() as url:
            target = probe.Target(url=url, user=USER, user_password=PASSWORD, probe_token=TOKEN)
            return await probe.probe(replace(target, **changes))

    return asyncio.run(run())


def test_the_whole_way_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub()
    seconds = run_probe(hub, expect_home="nfs4")
    assert list(seconds) == [
        "resolve",
        "login page",
        "tidy",
        "log in",
        "start server",
        "open page",
        "start kernel",
        "run cell",
        "read file",
        "home",
        "worker",
        "clean up",
    ]
    assert (hub.user_exists, hub.server, hub.file) == (False, None, None)
    printed = capsys.readouterr().out
    assert "nfs4 at /home/jovyan" in printed
    assert "container c0ffee at 10.20.0.12, homes at 10.20.0.11" in printed
    assert PASSWORD not in printed
    assert TOKEN not in printed


def test_what_an_interrupted_probe_left_is_removed_first(capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub(user_exists=True, server={"ready": False, "pending": "spawn"})
    run_probe(hub)
    assert hub.calls.index(f"DELETE /hub/api/users/{USER}") < hub.calls.index("POST /hub/login")
    assert "an earlier probe removed" in capsys.readouterr().out


def test_a_hub_not_yet_behind_the_front_door_is_waited_for() -> None:
    hub = FakeHub(unavailable_answers=3)
    run_probe(hub)
    assert hub.calls[:4] == ["GET /hub/login"] * 4


def test_a_cut_progress_stream_is_no_failure() -> None:
    run_probe(FakeHub(progress_is_cut=True))


@pytest.mark.parametrize(
    ("hub", "changes", "expected"),
    [
        pytest.param(
            FakeHub(),
            {"user_password": "wrong"},
            "probe: log in: /hub/login answered HTTP 403: Invalid username. "
            "On the manager, `docker service logs --tail 50 hub` says more.",
            id="password",
        ),
        pytest.param(
            FakeHub(),
            {"probe_token": "wrong"},
            f"probe: tidy: /hub/api/users/{USER} answered HTTP 403: Missing or invalid credentials. "
            "On the manager, `docker service logs --tail 50 hub` says more.",
            id="token",
        ),
        pytest.param(
            FakeHub(start_failure="no suitable node"),
            {},
            "probe: start server: Spawn failed: no suitable node. "
            "On the manager, `docker service ls` and `docker service ps` of the probe's service say more.",
            id="start",
        ),
        pytest.param(
            FakeHub(start_never_ends=True),
            {"start_timeout_seconds": 0.2},
            "probe: start server: not done after 0 s; the last it reported: The task is assigned. "
            "On the manager, `docker service ls` and `docker service ps` of the probe's service say more.",
            id="start-timeout",
        ),
        pytest.param(
            FakeHub(cell_error="No space left"),
            {},
            "probe: run cell: the cell ended with OSError: No space left. "
            "On the manager, `docker service ls` and `docker service ps` of the probe's service say more.",
            id="cell",
        ),
        pytest.param(
            FakeHub(closes_kernel=True),
            {},
            "probe: run cell: the kernel's WebSocket was closed (code 1000). "
            "On the manager, `docker service ls` and `docker service ps` of the probe's service say more.",
            id="websocket",
        ),
        pytest.param(
            FakeHub(loses_files=True),
            {},
            f"probe: read file: /user/{USER}/api/contents/probe.txt answered HTTP 404: "
            "No such file or directory: probe.txt. "
            "On the manager, `docker service ls` and `docker service ps` of the probe's service say more.",
            id="file",
        ),
        pytest.param(
            FakeHub(home={"directory": "/", "kind": "overlay", "options": ["rw"]}),
            {"expect_home": "nfs4"},
            "probe: home: the home is on overlay, mounted at /, and not on nfs4. Check `homes` of hub.yaml.",
            id="home",
        ),
        pytest.param(
            FakeHub(
                home={
                    "directory": "/home/jovyan",
                    "kind": "nfs4",
                    "options": ["clientaddr=10.20.0.11", "addr=10.20.0.11"],
                }
            ),
            {},
            "probe: worker: it runs at 10.20.0.11, which is the machine that holds the homes. "
            "Check `placement` of hub.yaml.",
            id="worker",
        ),
    ],
)
def test_a_failure_names_its_step_and_is_cleaned_up(
    hub: FakeHub, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError) as raised:
        run_probe(hub, **changes)
    assert str(raised.value) == expected
    assert (hub.user_exists, hub.server) == (False, None)


def test_a_small_quota_is_written_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert "quota" in run_probe(FakeHub(), expect_quota_gb=QUOTA_GB)
    assert "stopped by ENOSPC after 0.099 of 0.1 GB, removed" in capsys.readouterr().out


def test_a_large_quota_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub(written_bytes=0)
    hub.home["size_bytes"] = 5 * 1024**3
    run_probe(hub, expect_quota_gb=5)
    assert "a home may hold 5 GB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size_bytes", "written_bytes", "stopped_by", "problem"),
    [
        (2 * 1024**3, 0, "", "the home may hold 2.000 GB, and not 0.1"),
        (
            QUOTA_BYTES,
            2**28,
            "",
            "0.250 GB were written to a home of 0.1 GB, and nothing ended it",
        ),
        (QUOTA_BYTES, 2**20, "EIO", "0.001 GB were written to a home of 0.1 GB, and EIO ended it"),
        (QUOTA_BYTES, 2**20, "EDQUOT", "a home of 0.1 GB was full after 0.001 GB"),
    ],
)
def test_a_quota_that_does_not_hold_is_a_failure(
    size_bytes: int, written_bytes: int, stopped_by: str, problem: str
) -> None:
    hub = FakeHub(written_bytes=written_bytes, stopped_by=stopped_by)
    hub.home["size_bytes"] = size_bytes
    with pytest.raises(UserError) as raised:
        run_probe(hub, expect_quota_gb=QUOTA_GB)
    assert str(raised.value).startswith(f"probe: quota: {problem}. ")
    assert (hub.user_exists, hub.server) == (False, None)


@pytest.mark.parametrize(
    ("most_bytes", "limit_bytes", "reason"), [(2**23, None, ""), (2**25, 2**23, "EFBIG")]
)
def test_the_quota_cell_tells_where_writing_ended_and_removes_it(
    tmp_path: Path, most_bytes: int, limit_bytes: int | None, reason: str
) -> None:
    code = probe.quota_cell(most_bytes)
    if limit_bytes:
        # A limit on a file's size stands in for the quota.
        limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))"
        code = f"import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{limit}\n{code}"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(run.stdout) == {"written_bytes": 2**23, "stopped_by": reason, "removed": True}
    assert list(tmp_path.iterdir()) == []


def test_a_user_that_stays_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CLEAN_UP_SECONDS", 0.3)
    with pytest.raises(UserError, match="probe: clean up: not done after 0 s"):
        run_probe(FakeHub(user_is_kept=True))


def test_a_cancelled_probe_cleans_up() -> None:
    hub = FakeHub(start_never_ends=True)

    async def run() -> None:
        async with hub.serve() as url:
            target = probe.Target(url=url, user=USER, user_password=PASSWORD, probe_token=TOKEN)
            task = asyncio.create_task(probe.probe(target))
            while hub.server is None:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert (hub.user_exists, hub.server) == (False, None)


def test_an_address_is_asked_of_no_name_server() -> None:
    url = URL("https://192.0.2.1")
    target = probe.Target(
        url=url, user=USER, user_password=PASSWORD, probe_token=TOKEN, nameserver="127.0.0.9"
    )
    said: list[str] = []
    assert asyncio.run(probe.find_address(target, said)) == "192.0.2.1"
    assert said == []


@pytest.mark.parametrize(
    ("url", "more", "accepted"),
    [
        ("http://hub.example.org", ["--plain-http"], True),
        ("http://hub.example.org", [], False),
        ("ftp://hub.example.org", ["--plain-http"], False),
    ],
)
def test_passwords_are_sent_in_clear_only_when_that_is_asked_for(
    url: str, more: list[str], accepted: bool
) -> None:
    options = probe.read_options(["--url", url, "--user", USER, *more])
    secrets = json.dumps({"user_password": PASSWORD, "probe_token": TOKEN})
    if accepted:
        assert str(probe.read_target(options, secrets).url) == url
        return
    with pytest.raises(UserError, match="--url: "):
        probe.read_target(options, secrets)


def test_nothing_listening_is_one_sentence() -> None:
    target = probe.Target(url=URL("http://127.0.0.1:1"), user=USER, user_password=PASSWORD, probe_token=TOKEN)
    with pytest.raises(UserError, match=r"^probe: login page: Cannot connect to host 127\.0\.0\.1:1 "):
        asyncio.run(probe.probe(target))


@dataclass(frozen=True)
class Served:
    """A hub's certificate, by a CA that no system trusts."""

    authority: Authority
    context: ssl.SSLContext

    def probe(self, name: str = HUB_NAME, **how: Any) -> dict[str, float]:
        """Probe a hub of that name which shows the certificate."""

        async def go() -> dict[str, float]:
            async with FakeHub().serve(self.context, name) as url:
                target = probe.Target(
                    url=url,
                    user=USER,
                    user_password=PASSWORD,
                    probe_token=TOKEN,
                    address="127.0.0.1",
                    **how,
                )
                return await probe.probe(target)

        return asyncio.run(go())


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """For a hub whose name DNS leads to the documentation network."""
    monkeypatch.setattr(probe, "resolve", lambda name, nameserver: {"192.0.2.1"})
    authority = Authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(HUB_NAME))
    return Served(authority, context)


def test_the_certificate_is_verified_for_the_name_at_the_address(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "https" in served.probe(ca_file=served.authority.certificate)
    printed = capsys.readouterr().out
    assert "certificate verified, 29 days left" in printed
    assert "hub.example.org is 192.0.2.1; connecting to 127.0.0.1 as told" in printed


def test_an_unknown_issuer_is_refused(served: Served) -> None:
    with pytest.raises(UserError, match=r"certificate of hub\.example.org is not accepted: unable to get"):
        served.probe()


def test_a_certificate_for_another_name_is_refused(served: Served) -> None:
    with pytest.raises(UserError, match=r"certificate is not valid for 'other\.example\.org'"):
        served.probe("other.example.org", ca_file=served.authority.certificate)


def printing(*files: Path) -> str:
    return shlex.join(["cat", *map(str, files)])


def test_a_certificate_on_trial_is_trusted_as_the_manager_prints_it(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    # A chain, as on the manager.
    command = printing(served.authority.directory / "leaf.pem", served.authority.certificate)
    assert "https" in served.probe(certificate_command=command)
    assert "certificate verified, 29 days left" in capsys.readouterr().out


def test_what_the_issuer_on_trial_has_signed_besides_is_not_trusted(served: Served) -> None:
    another, _ = served.authority.issue(HUB_NAME)
    command = printing(another, served.authority.certificate)
    with pytest.raises(UserError, match=r"certificate of hub\.example.org is not accepted: unable to get"):
        served.probe(certificate_command=command)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("cat /nowhere/fullchain.pem", "No such file or directory"),
        ("false", "status 1"),
        ("true", "status 0"),
        ("/nowhere/ssh", "No such file or directory: '/nowhere/ssh'"),
    ],
)
def test_a_manager_that_prints_no_certificate_is_told(served: Served, command: str, reason: str) -> None:
    with pytest.raises(
        UserError, match=r"probe: https: the hub's certificate is not to be had \(.*" + reason
    ):
        served.probe(certificate_command=command)


def options(**changes: Any) -> argparse.Namespace:
    arguments = {"url": "https://hub.example.org", "user": USER, **changes}
    return probe.read_options([part for key, value in arguments.items() for part in (f"--{key}", value)])


SECRETS = json.dumps({"user_password": PASSWORD, "probe_token": TOKEN})


def test_a_target_shows_no_secret() -> None:
    shown = repr(probe.read_target(options(), SECRETS))
    assert PASSWORD not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "https://hub.example.org"])
def test_https_or_loopback_is_accepted(url: str) -> None:
    assert probe.read_target(options(url=url), SECRETS).url == URL(url)


def test_every_bad_argument_is_named_at_once() -> None:
    with pytest.raises(UserError) as raised:
        probe.read_target(options(url="http://hub.example.org", **{"ca-file": "/nowhere.pem"}), "[]")
    assert str(raised.value).splitlines() == [
        (
            "--url: 'http://hub.example.org' is not an https URL. "
            "Give https://<host>; plain http is for loopback, or asked for by --plain-http."
        ),
        "--ca-file: /nowhere.pem is not a file. Name a PEM certificate.",
        'standard input: it does not hold the secrets. Give {"user_password": ..., "probe_token": ...}.',
    ]


def test_the_log_is_shown_before_the_last_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(SECRETS))
    code = probe.main(
        ["--url", "http://127.0.0.1:1", "--user", USER, "--logs-command", "echo 'the log of the hub'"]
    )
    assert code == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "probe: log: echo 'the log of the hub'"
    assert lines[1] == "the log of the hub"
    assert lines[-1].startswith("probe: login page: ")


def test_the_cell_tells_of_the_home_it_writes_to(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", probe.CELL.read_text()],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    result = probe.read_result(run.stdout)
    assert (tmp_path / result["file"]).read_text() == result["text"]
    assert tmp_path.is_relative_to(result["home"]["directory"])
    assert probe.check_home(result["home"], result["home"]["kind"])
    assert probe.check_worker(result)


@pytest.mark.parametrize("printed", ["", "Traceback", '{"product": 41}', "[]"])
def test_another_output_of_the_cell_is_a_failure(printed: str) -> None:
    with pytest.raises(jupyter.JupyterError, match="the cell printed"):
        probe.read_result(printed)
