"""A stack's derived configuration, and what a killed pulumi leaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from live.pulumi import is_pulumi
from scripts.pulumi_run import RUN_MARK, find_leftovers
from scripts.stack import Stack
from swarmhub.errors import UserError

CONFIGURATION = {"config": {"swarmhub:site": {"cloud": "rehearsal"}}}


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def stack(tmp_path: Path, lines: list[str]) -> Stack:
    return Stack(
        name="dev",
        environment={"PULUMI_BACKEND_URL": f"file://{tmp_path}"},
        configuration=CONFIGURATION | {"encryptionsalt": "v1:of another state"},
        state=tmp_path,
        say=lines.append,
    )


def write_lock(stack: Stack, *, pid: int, hostname: str) -> Path:
    path = stack.state / ".pulumi" / "locks" / "organization" / "swarmhub" / "dev" / "id.json"
    path.parent.mkdir(parents=True)
    owner = {"pid": pid, "hostname": hostname, "username": "root", "timestamp": "2026-11-24T04:48:48Z"}
    path.write_text(json.dumps(owner))
    return path


def find_dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_configuration_keeps_what_pulumi_wrote(stack: Stack) -> None:
    stack.write_configuration()
    written = yaml.safe_load(stack.configuration_file.read_text())
    assert written == CONFIGURATION
    stack.configuration_file.write_text(yaml.safe_dump({"encryptionsalt": "v1:abc", "config": {"a": 1}}))
    stack.write_configuration()
    written = yaml.safe_load(stack.configuration_file.read_text())
    assert written == CONFIGURATION | {"encryptionsalt": "v1:abc"}


def test_the_lock_of_a_dead_pulumi_is_broken_and_its_children_ended(stack: Stack, lines: list[str]) -> None:
    pid = find_dead_pid()
    lock = write_lock(stack, pid=pid, hostname=socket.gethostname())
    orphan = subprocess.Popen(["sleep", "600"], env={RUN_MARK: stack.mark, "PATH": os.defpath})
    try:
        stack.release_lock()
        assert orphan.wait(timeout=5) < 0
    finally:
        orphan.kill()
    assert not lock.exists()
    assert find_leftovers(stack.mark) == []
    assert lines == [
        f"  the lock of an earlier run, whose process {pid} is gone, was removed",
        "  1 processes which that run had left were ended",
    ]


def test_the_lock_of_a_living_pulumi_is_respected(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.pulumi.is_pulumi", lambda pid: pid == 7)
    lock = write_lock(stack, pid=7, hostname=socket.gethostname())
    with pytest.raises(UserError) as refusal:
        stack.release_lock()
    assert str(refusal.value) == (
        f"stack dev: process 7 on {socket.gethostname()} changes it since 2026-11-24T04:48:48Z. "
        "Wait until it has ended, or end it, then try again."
    )
    assert lock.exists()


def test_the_lock_of_another_machine_is_respected(stack: Stack) -> None:
    write_lock(stack, pid=find_dead_pid(), hostname="elsewhere")
    with pytest.raises(UserError, match="on elsewhere changes it"):
        stack.release_lock()


def test_is_pulumi_takes_only_pulumi_for_pulumi() -> None:
    assert not is_pulumi(os.getpid())
    assert not is_pulumi(find_dead_pid())


def test_a_stack_belongs_to_the_cloud_it_was_deployed_on(stack: Stack) -> None:
    stack.write_configuration()
    assert stack.belongs_to("cloud-1")
    stack.note_cloud("cloud-1")
    assert stack.belongs_to("cloud-1")
    assert not stack.belongs_to("cloud-2")


def test_commands_refuse_what_they_do_not_know() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.first_light", "sideways"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "first_light: sideways is no command. Use up, down, status, browse.\n"
