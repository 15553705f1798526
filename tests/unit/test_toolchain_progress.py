"""What the engine reports, as lines and times."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.progress import Address, Progress

WORKSHOP = "urn:pulumi:dev::swarmhub::swarmhub:workshop:Workshop"
MANAGER = f"{WORKSHOP}$swarmhub:machine:Machine$openstack:compute/instance:Instance::manager-vm"
PROBE = f"{WORKSHOP}$swarmhub:probe:Probe$command:local:Command::probe-run"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def progress(clock: Clock, lines: list[str]) -> Progress:
    return Progress(say=lines.append, clock=clock)


def metadata(urn: str, operation: str = "create") -> dict[str, Any]:
    return {"metadata": {"urn": urn, "op": operation, "type": urn.split("::")[2].split("$")[-1]}}


def test_address_knows_the_stage() -> None:
    assert Address.parse(MANAGER) == Address(name="manager-vm", type="Instance", stage="machine")
    stack = Address.parse("urn:pulumi:dev::swarmhub::pulumi:pulumi:Stack::swarmhub-dev")
    assert stack == Address(name="swarmhub-dev", type="Stack", stage="")


def test_progress_gives_a_line_to_what_took_time(progress: Progress, clock: Clock, lines: list[str]) -> None:
    progress.feed({"resourcePreEvent": metadata(MANAGER)})
    clock.now += 12.5
    progress.feed({"resOutputsEvent": metadata(MANAGER)})
    progress.feed({"resourcePreEvent": metadata(PROBE, "update")})
    progress.feed({"resOutputsEvent": metadata(PROBE, "update")})
    progress.feed({"resOutputsEvent": metadata(f"{WORKSHOP}::workshop", "same")})
    assert lines == ["    12.5 s  manager-vm (Instance): created in 12.5 s"]
    assert progress.counts == {"created": 1, "updated": 1}
    assert [(stage, span.begin, span.end) for stage, span in progress.report_stages()] == [
        ("machine", 0.0, 12.5),
        ("probe", 12.5, 12.5),
    ]


def test_progress_says_what_it_waits_for(progress: Progress, clock: Clock, lines: list[str]) -> None:
    progress.feed({"resourcePreEvent": metadata(MANAGER)})
    progress.beat()
    clock.now += 30
    progress.beat()
    progress.beat()
    assert lines == ["    30.0 s  still at manager-vm (30 s)"]


def test_progress_shows_the_probe_and_keeps_errors(progress: Progress, lines: list[str]) -> None:
    def hear(severity: str, message: str, urn: str = "") -> None:
        progress.feed({"diagnosticEvent": {"severity": severity, "message": message, "urn": urn}})

    hear("info", "log in: 1.2 s\n", PROBE)
    hear("info", "Unable to find image", MANAGER)
    hear("debug", "props=secret")
    hear("error", 'exit status 1: running "sh -c \\"a\\nb\\"":\nprobe: log in: refused\n', PROBE)
    hear("error", "site.cloud: 'rehersal' is unknown.\nNearest: rehearsal.\n")
    hear("error", "an unhandled error occurred: program exited with non-zero exit code: 1")
    hear("error", "update failed")
    assert lines == ["     0.0 s  log in: 1.2 s"]
    assert progress.errors == [
        "probe-run: exit status 1\nprobe: log in: refused",
        "site.cloud: 'rehersal' is unknown.\nNearest: rehearsal.",
    ]
