"""What is put right after a killed pulumi, with a pulumi that is a shell script."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from live.mend import mend
from live.pulumi import PulumiStack
from swarmhub.errors import UserError

PENDING = {"type": "creating", "resource": {"type": "openstack:compute/instance:Instance"}}


@pytest.fixture
def said() -> list[str]:
    return []


def stack_with(directory: Path, **deployment: Any) -> PulumiStack:
    """A stack whose pulumi exports that deployment and notes how it was called."""
    program = directory / "pulumi"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{directory}/calls\n'
        f"[ \"$2\" = export ] && echo '{json.dumps({'version': 3, 'deployment': deployment})}'\nexit 0\n"
    )
    program.chmod(0o755)
    environment = {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "HOME": str(directory),
        "PULUMI_BACKEND_URL": f"file://{directory}",
    }
    return PulumiStack(name="dev", directory=directory, environment=environment)


def write_lock(stack: PulumiStack) -> int:
    dead = subprocess.Popen(["true"])
    dead.wait()
    path = stack.directory / ".pulumi/locks/organization/swarmhub/dev/id.json"
    path.parent.mkdir(parents=True)
    owner = {"pid": dead.pid, "hostname": socket.gethostname(), "timestamp": "2026-11-24T04:48:48Z"}
    path.write_text(json.dumps(owner))
    return dead.pid


def calls(stack: PulumiStack) -> list[str]:
    return [line.split(" --")[0] for line in (stack.directory / "calls").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _pulumi_first_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_a_stack_without_interrupted_run_is_left_alone(tmp_path: Path, said: list[str]) -> None:
    stack = stack_with(tmp_path, resources=[])
    assert mend(stack, cloud=None, say=said.append) is False
    assert calls(stack) == ["stack export"]
    assert said == []


def test_a_dead_runs_lock_is_removed(tmp_path: Path, said: list[str]) -> None:
    stack = stack_with(tmp_path, resources=[])
    pid = write_lock(stack)
    assert mend(stack, cloud=None, say=said.append) is True
    assert stack.locks() == []
    assert said == [f"the lock of an earlier run, whose process {pid} is gone, was removed"]


def test_without_the_cloud_the_state_stays_as_it_is(
    tmp_path: Path, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    stack = stack_with(tmp_path, pending_operations=[PENDING])
    with pytest.raises(UserError, match=r"sweep: it ended with status 1\. See above"):
        mend(stack, cloud=None, say=said.append)
    assert calls(stack) == ["stack export"]
    shown = capfd.readouterr().err
    assert shown.startswith("site.cloud: no OpenStack credentials were found.")
    assert "Traceback" not in shown


def test_on_existing_machines_no_cloud_is_asked(tmp_path: Path, said: list[str]) -> None:
    pending = {"type": "creating", "resource": {"type": "command:remote:Command"}}
    stack = stack_with(tmp_path, pending_operations=[pending])
    assert mend(stack, cloud=None, say=said.append) is True
    assert calls(stack) == ["stack export", "stack import"]
