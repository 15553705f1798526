from __future__ import annotations

from typing import Any

import pytest
from swarmhub_hub.tasks import Phase, address_of, judge_task, newest_task


def task(state: str, desired: str = "running", **status: Any) -> dict[str, Any]:
    return {"DesiredState": desired, "Status": {"State": state, **status}}


@pytest.mark.parametrize(
    "state", ["new", "pending", "assigned", "accepted", "preparing", "ready", "starting"]
)
def test_judge_task_waits_for_early_states(state: str) -> None:
    assert judge_task(task(state)).phase is Phase.WAITING


def test_judge_task_waits_for_a_task_not_made_yet() -> None:
    assert judge_task(None).phase is Phase.WAITING


def test_judge_task_gives_dockers_reason_for_waiting() -> None:
    verdict = judge_task(task("pending", Err="no suitable node (insufficient resources on 2 nodes)"))
    assert verdict.reason == (
        "The server's task is pending: no suitable node (insufficient resources on 2 nodes)."
    )


def test_judge_task_knows_a_running_one() -> None:
    assert judge_task(task("running", Message="started")).phase is Phase.RUNNING


@pytest.mark.parametrize("state", ["rejected", "failed", "complete", "shutdown", "orphaned", "remove"])
def test_judge_task_ends_with_dockers_reason(state: str) -> None:
    verdict = judge_task(task(state, desired="shutdown", Err="No such image: nobody/nothing"))
    assert verdict.phase is Phase.ENDED
    assert verdict.reason == f"The server's task is {state}: No such image: nobody/nothing."


def test_judge_task_ends_when_its_machine_is_down() -> None:
    verdict = judge_task(task("running", desired="shutdown", Message="started"))
    assert verdict.phase is Phase.ENDED
    assert "its machine may be down" in verdict.reason


def test_judge_task_explains_a_kill_for_memory() -> None:
    verdict = judge_task(task("failed", Err="task: non-zero exit (137)", ContainerStatus={"ExitCode": 137}))
    assert verdict.exit_code == 137
    assert "more memory than its limit" in verdict.reason


def test_newest_task_is_the_last_made() -> None:
    old, new = {"CreatedAt": "2026-01-01T10:00:00Z"}, {"CreatedAt": "2026-01-01T10:00:01Z"}
    assert newest_task([new, old]) is new
    assert newest_task([]) is None


def test_judge_task_says_when_no_machine_fits() -> None:
    assert not judge_task(task("pending", Err="no suitable node (insufficient resources on 2 nodes)")).fits
    assert judge_task(task("pending")).fits


def test_address_of_is_the_one_in_that_network() -> None:
    other = {"Network": {"ID": "1", "Spec": {"Name": "ingress"}}, "Addresses": ["10.0.0.9/24"]}
    hub = {"Network": {"ID": "2", "Spec": {"Name": "hub"}}, "Addresses": ["10.79.0.5/20"]}
    attached = {"NetworksAttachments": [other, hub]}
    assert address_of(attached, "hub") == address_of(attached, "2") == "10.79.0.5"
    assert address_of({}, "hub") is None


@pytest.mark.parametrize(
    ("state", "starting"), [("preparing", False), ("starting", True), ("running", False)]
)
def test_judge_task_knows_one_that_its_machine_makes_the_container_of(state: str, starting: bool) -> None:
    assert judge_task({"Status": {"State": state}}).starting is starting
