"""check.sh on a machine of files and programs that answer as told: what it tells of the certificate."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from swarmhub.checking import judge
from swarmhub.text import NODE_DIRECTORY

DAYS = 90
PROGRAMS = {
    "docker": """
        case "$1 $2" in
          "service ls") echo hub 1/1; echo proxy 1/1 ;;
          "node ls") echo manager Ready Active ;;
          *) echo running ;;
        esac
    """,
    "systemctl": """
        case "$*" in
          *Result*) cat "$(dirname "$0")/result" ;;
          *ExecMainExitTimestamp*) cat "$(dirname "$0")/ended" ;;
          *) echo active ;;
        esac
    """,
    "journalctl": "echo notAfter=some day",
}


class Machine:
    """A manager's directories below one of the test's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name, text in PROGRAMS.items():
            file = directory / name
            file.write_text(f"#!/bin/sh\n{text}\n")
            file.chmod(0o755)
        (directory / "result").write_text("success\n")
        self.settings = directory / "front-door"
        self.settings.mkdir()
        self.certificate = directory / "state/certificate/fullchain.pem"
        self.certificate.parent.mkdir(parents=True)

    def make_certificate(self, days: int = DAYS) -> None:
        new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        key = self.directory / "key.pem"
        files = ("-keyout", str(key), "-out", str(self.certificate))
        command = ["openssl", *new, "-days", str(days), "-subj", "/CN=hub", *files]
        subprocess.run(command, check=True, capture_output=True)

    def configure(self, *, ordered: bool, tls: bool = True) -> None:
        if ordered:
            (self.settings / "certificate.env").touch()
        (self.settings / "nginx.conf").write_text("ssl_certificate x;\n" if tls else "listen 80;\n")

    def told(self) -> dict[str, str]:
        script = (NODE_DIRECTORY / "check.sh").read_text()
        script = script.replace("/etc/swarmhub/front-door", str(self.settings))
        done = subprocess.run(
            ["bash", "-s", "--", self.directory / "state", "/"],
            input=script,
            env={"PATH": f"{self.directory}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_certificates_whole_life_and_the_rest_of_it(machine: Machine) -> None:
    machine.make_certificate()
    machine.configure(ordered=True)
    told = machine.told()
    assert int(told["certificate_seconds_in_all"]) == DAYS * 86_400
    assert 0 <= DAYS * 86_400 - int(told["certificate_seconds"]) < 600
    assert (told["certificate_from"], told["self_signed"]) == ("order", "true")


@pytest.mark.parametrize(("days", "well"), [(15, True), (13, False)])
def test_a_certificate_from_files_wants_a_hand_two_weeks_before_its_end(
    machine: Machine, days: int, well: bool
) -> None:
    machine.make_certificate(days)
    machine.configure(ordered=False)
    certificate, renewal, *_ = judge(machine.told())
    assert (certificate.passed, renewal.passed) == (well, True)


def test_no_certificate_is_no_fault_where_none_is_wanted_and_one_where_it_is(machine: Machine) -> None:
    machine.configure(ordered=False, tls=False)
    assert judge(machine.told())[0].passed
    machine.configure(ordered=True)
    assert not judge(machine.told())[0].passed


@pytest.mark.parametrize(("ended", "well"), [("-1 hour", True), ("+1 hour", False)])
def test_a_failed_renewal_counts_until_a_certificate_is_newer(
    machine: Machine, ended: str, well: bool
) -> None:
    machine.make_certificate()
    machine.configure(ordered=True)
    (machine.directory / "result").write_text("exit-code\n")
    moment = ("date", "-d", ended, "+%a %Y-%m-%d %H:%M:%S %Z")
    (machine.directory / "ended").write_text(subprocess.run(moment, capture_output=True, text=True).stdout)
    assert judge(machine.told())[1].passed is well


def test_every_check_is_told_of(machine: Machine) -> None:
    machine.make_certificate()
    machine.configure(ordered=False)
    assert {check.what for check in judge(machine.told())} >= {
        *("certificate", "renewal", "firewall", "overlay filter"),
        *("service hub", "service proxy", "front door", "machine manager"),
    }
