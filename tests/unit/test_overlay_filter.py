"""filter-overlay.sh with programs of that name in the place of Docker's and the kernel's."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY

ID = "0123456789abcdef"


class Machine:
    """Docker's namespaces, and the programs that the script calls."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.namespaces = directory / "netns"
        self.namespaces.mkdir()
        os.mkfifo(directory / "events")
        self._program("docker", f'if [ "$1" = events ]; then exec cat {directory}/events; fi\necho {ID}')
        self._program("stat", "echo nsfs")
        self._program("nsenter", f'echo "$1" >>{directory}/filtered')
        text = (NODE_DIRECTORY / "filter-overlay.sh").read_text()
        self.script = text.replace("/run/docker/netns", str(self.namespaces))

    def _program(self, name: str, text: str) -> None:
        file = self.directory / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", self.script, "filter-overlay.sh", "hub", "rules.nft", *more],
            env={"PATH": f"{self.directory}:/usr/bin:/bin"},
            stderr=subprocess.DEVNULL,
        )

    def filtered(self) -> list[str]:
        file = self.directory / "filtered"
        return [Path(line).name for line in file.read_text().splitlines()] if file.exists() else []

    def await_filtered(self, *expected: str) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.filtered() != list(expected):
            time.sleep(0.02)
        assert self.filtered() == list(expected)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_there_is_filtered_first_and_what_comes_when_docker_tells_of_it(machine: Machine) -> None:
    (machine.namespaces / f"1-{ID[:10]}").touch()
    (machine.namespaces / "1-another-one").touch()
    running = machine.start()
    with (machine.directory / "events").open("w") as events:
        machine.await_filtered(f"1-{ID[:10]}")
        (machine.namespaces / f"1-{ID[:10]}").unlink()
        (machine.namespaces / f"2-{ID[:10]}").touch()
        # A server alone, then three at once: once for each change.
        print(ID, file=events, flush=True)
        machine.await_filtered(f"1-{ID[:10]}", f"2-{ID[:10]}")
    assert running.wait(timeout=10) == 1


def test_it_ends_with_docker_for_its_unit_to_start_it_again(machine: Machine) -> None:
    running = machine.start()
    (machine.directory / "events").open("w").close()
    assert running.wait(timeout=10) == 1


def test_a_namespace_that_cannot_be_filtered_is_a_failure(machine: Machine) -> None:
    (machine.namespaces / f"1-{ID[:10]}").touch()
    machine._program("nsenter", "exit 1")
    assert machine.start("once").wait(timeout=10) == 1


def test_what_is_left_of_a_namespace_that_is_gone_is_no_failure(machine: Machine) -> None:
    (machine.namespaces / f"1-{ID[:10]}").touch()
    (machine.directory / "stat").unlink()
    assert machine.start("once").wait(timeout=10) == 0
    assert machine.filtered() == []


def test_a_namespace_that_goes_while_it_is_looked_at_is_no_failure(machine: Machine) -> None:
    (machine.namespaces / f"1-{ID[:10]}").touch()
    machine._program("nsenter", f"rm {machine.directory}/stat; exit 1")
    assert machine.start("once").wait(timeout=10) == 0


def test_once_looks_and_ends(machine: Machine) -> None:
    (machine.namespaces / f"1-{ID[:10]}").touch()
    assert machine.start("once").wait(timeout=10) == 0
    assert machine.filtered() == [f"1-{ID[:10]}"]
