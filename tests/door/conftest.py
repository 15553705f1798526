"""nginx, the ACME client and an ACME server as on a manager, on this network namespace's loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehearsal import acme, paths
from rehearsal.host import wait_for
from rehearsal.rootfs import Root, in_root
from swarmhub import plan as planned
from swarmhub.text import FRONT_DOOR_CONTAINER, NODE_DIRECTORY, OwnCertificate, front_door_files
from tests.door.root import SPEC
from tests.door.services import name_server, proxy
from tests.support.stacks import dev_plan

DOMAIN = "hub.example.test"
# Docker's own name server, where nginx asks.
RESOLVER = "127.0.0.11"
DIRECTORY = f"127.0.0.1:{acme.DIRECTORY_PORT}"
ORDERED = {"issuer": "acme", "email": "ada@example.org", "directory_url": f"https://{DIRECTORY}/dir"}
SHIMS = {name: Path(__file__).with_name(name) for name in ("docker", "systemctl")}
UPLOAD_MAX_MB = 64
ORDER_SECONDS = 120
NONCES_REJECTED_PERCENT = "10"
RELOAD_SECONDS = 20
BOUND = ("etc/swarmhub", "opt/swarmhub", "var/lib/swarmhub")
STATE = planned.FRONT_DOOR_STATE_DIRECTORY.lstrip("/")


@dataclass(frozen=True, kw_only=True)
class Manager:
    """The root file system as a manager: ``files`` holds what is bound into it, and its logs."""

    root: Root
    files: Path
    issuer: Path

    @property
    def binds(self) -> dict[Path, str]:
        shared = {self.files / name: name for name in BOUND}
        shims = {file: f"usr/local/bin/{name}" for name, file in SHIMS.items()}
        return {**shared, **shims, NODE_DIRECTORY: "srv/node"}

    def start(self, *command: str, log: str, environment: Mapping[str, str] | None = None) -> Any:
        return self.root.start(command, log=self.files / log, binds=self.binds, environment=environment)

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command among the processes that nginx is one of; its status and all it printed."""
        log = self.files / "run.log"
        log.unlink(missing_ok=True)
        code = self.start(*command, log=log.name, environment=environment).wait(timeout=ORDER_SECONDS)
        return code, log.read_text(errors="replace")

    def certify(self, *arguments: str) -> str:
        """Order or renew, and have nginx serve it."""
        code, said = self.order(*arguments)
        assert code == 0, said
        self.await_former_workers()
        return said

    def order(self, *arguments: str) -> tuple[int, str]:
        """Order or renew; status and output of the last of three attempts.

        As at deployment, there is more than one: the client asks once more for a nonce that the ACME server
        rejects on purpose, and may be rejected again.
        """
        for _ in range(3):
            code, said = self.run("/opt/swarmhub/ensure-certificate.sh", *arguments)
            if code == 0 or "anti-replay nonce" not in said:
                break
        return code, said

    def await_former_workers(self) -> None:
        """Wait until none of those that nginx had before takes connections; the new ones are there."""
        deadline = time.monotonic() + RELOAD_SECONDS
        while count_workers() != os.cpu_count():
            assert time.monotonic() < deadline, "former workers of nginx take connections"
            time.sleep(0.05)

    def ensure_front_door(self, changed: str = "", orders: str = "orders", domain: str = DOMAIN) -> None:
        arguments = (
            domain,
            planned.FRONT_DOOR_STATE_DIRECTORY,
            planned.CHALLENGE_DIRECTORY,
            FRONT_DOOR_CONTAINER,
            orders,
        )
        code, said = self.run(
            "/srv/node/ensure-front-door.sh", *arguments, environment={"CHANGED_FILES": changed}
        )
        assert code == 0, said

    def orders(self) -> int:
        """How often the ACME client ran."""
        file = self.files / "var/lib/swarmhub/orders"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def configure(
        self,
        domain: str = DOMAIN,
        own: OwnCertificate | None = None,
        tls: Mapping[str, Any] = ORDERED,
        subdomains: bool = False,
    ) -> None:
        """Put in place what the deployment puts in place."""
        plan = dev_plan(
            tls=dict(tls),
            hub__domain=DOMAIN,
            hub__subdomains=subdomains,
            hub__upload_max_mb=UPLOAD_MAX_MB,
        )
        directory_ca = (self.files / "acme/ca.pem").read_text()
        for file in front_door_files(plan, domain, directory_ca, own):
            if file.path.startswith(tuple(f"/{name}" for name in BOUND)):
                target = self.files / file.path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(file.content)
                target.chmod(int(file.mode, 8))

    @property
    def served(self) -> Path:
        """The certificate that nginx serves."""
        return self.files / STATE / "certificate/fullchain.pem"


def count_workers() -> int:
    """How many of nginx's workers in this network take connections."""
    here, count = Path("/proc/self/ns/net").readlink(), 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            title = (process / "cmdline").read_bytes().rstrip(b"\0 ")
            count += title == b"nginx: worker process" and (process / "ns/net").readlink() == here
    return count


def serial(certificate: Path) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-in", certificate],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def require_own_network() -> None:
    listed = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    names = [each["ifname"] for each in json.loads(listed)]
    if names != ["lo"]:
        pytest.exit("door: run these by `make test-door`, in a network namespace of their own", returncode=2)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextmanager
def running_manager(files: Path) -> Iterator[Manager]:
    """Have a manager whose certificate is still the one it made itself; ACME server and nginx run."""
    require_own_network()
    for name in BOUND:
        (files / name).mkdir(parents=True)
    (files / STATE).mkdir(parents=True)
    acme.make_certificates(files / "acme", "127.0.0.1")
    settings = acme.write_settings(files / "acme")
    shutil.copy(paths.PEBBLE, files / "pebble")
    with ExitStack() as stack, in_root(SPEC.directory) as root:
        made = Manager(root=root, files=files, issuer=files / "issuer.pem")
        stack.enter_context(name_server(RESOLVER, dict.fromkeys((DOMAIN, "proxy", "hub"), "127.0.0.1")))
        with (files / "pebble.log").open("wb") as log:
            pebble = subprocess.Popen(
                [files / "pebble", "-config", settings, "-dnsserver", f"{RESOLVER}:53"],
                env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": NONCES_REJECTED_PERCENT},
                stdout=log,
                stderr=log,
            )
        stack.enter_context(ended(pebble))
        made.configure()
        made.ensure_front_door()
        (root.directory / "run/nginx.pid").unlink(missing_ok=True)
        configuration = f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/nginx.conf"
        nginx = made.start("nginx", "-g", "daemon off;", "-c", configuration, log="nginx.log")
        stack.enter_context(ended(nginx))
        wait_for(
            "ACME server",
            lambda: made.issuer.write_text(acme.fetch_issuing_root("127.0.0.1", files / "acme/ca.pem")),
            log=files / "pebble.log",
            timeout_seconds=20,
            interval_seconds=0.1,
            while_true=lambda: pebble.poll() is None,
        )
        wait_for(
            "nginx",
            (root.directory / "run/nginx.pid").exists,
            log=files / "nginx.log",
            timeout_seconds=20,
            interval_seconds=0.1,
            while_true=lambda: nginx.poll() is None,
        )
        yield made


@pytest.fixture(scope="session")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    with running_manager(tmp_path_factory.mktemp("manager")) as made:
        yield made


@pytest.fixture(scope="session")
def certified(manager: Manager) -> Manager:
    """The manager with the issuer's certificate in use."""
    manager.certify()
    return manager


@pytest.fixture
def upstream() -> Iterator[None]:
    with proxy():
        yield


def curl(manager: Manager, *arguments: str) -> tuple[str, dict[str, str], str]:
    """What curl gets: the status line, the headers in lower case, the body."""
    command: Sequence[str] = (
        "curl",
        "--silent",
        "--include",
        "--max-time",
        "60",
        "--resolve",
        f"{DOMAIN}:443:127.0.0.1",
        "--resolve",
        f"{DOMAIN}:80:127.0.0.1",
        *arguments,
    )
    code, said = manager.run(*command)
    assert code == 0, said
    while said.startswith("HTTP/1.1 100"):
        said = said.split("\n\n", 1)[-1].split("\r\n\r\n", 1)[-1]
    head, _, body = said.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return first.strip(), headers, body
