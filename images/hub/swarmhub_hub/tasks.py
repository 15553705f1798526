"""What the state of a Swarm task means for the server it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

WAITING_STATES = frozenset({"new", "pending", "assigned", "accepted", "preparing", "ready", "starting"})
RUNNING_STATE = "running"
# What Swarm says of a task that no machine can take (swarmkit, manager/scheduler/scheduler.go).
NO_MACHINE = "no suitable node"
EXIT_KILLED = 137
# Desired states of a task that Swarm still means to run.
WANTED_STATES = frozenset({"new", "ready", "running"})


class Phase(Enum):
    """Where a task is on its way."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The phase of a task and a sentence on why.

    ``exit_code`` is None where no process ended; ``fits`` is false while no machine can take the task;
    ``starting`` is true while its machine makes the container, mounts and all, or waits for it to be healthy.
    """

    phase: Phase
    reason: str
    exit_code: int | None = None
    fits: bool = True
    starting: bool = False


def newest_task(tasks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the task made last."""
    return max(tasks, key=lambda task: str(task.get("CreatedAt", "")), default=None)


def judge_task(task: Mapping[str, Any] | None) -> Verdict:
    """Say what a task's state means; no task yet counts as waiting."""
    if task is None:
        return Verdict(phase=Phase.WAITING, reason="Swarm has made no task for the service yet.")
    status = task.get("Status", {})
    state = str(status.get("State", "")).lower()
    detail = str(status.get("Err") or status.get("Message") or "").strip().rstrip(".")
    sentence = f"The server's task is {state}" + (f": {detail}." if detail else ".")
    if state in WAITING_STATES or state == RUNNING_STATE:
        if str(task.get("DesiredState", RUNNING_STATE)).lower() not in WANTED_STATES:
            return Verdict(
                phase=Phase.ENDED, reason=f"{sentence} Swarm has given it up: its machine may be down."
            )
        phase = Phase.RUNNING if state == RUNNING_STATE else Phase.WAITING
        return Verdict(
            phase=phase, reason=sentence, fits=NO_MACHINE not in detail, starting=state == "starting"
        )
    exit_code = (status.get("ContainerStatus") or {}).get("ExitCode")
    if exit_code == EXIT_KILLED:
        sentence += " It was killed, most often for using more memory than its limit."
    return Verdict(phase=Phase.ENDED, reason=sentence, exit_code=exit_code)


def address_of(task: Mapping[str, Any], network: str) -> str | None:
    """Return the address a task has in a network, given by its name or id."""
    for attachment in task.get("NetworksAttachments") or ():
        found = attachment.get("Network", {})
        if network in (found.get("ID"), found.get("Spec", {}).get("Name")) and attachment.get("Addresses"):
            return str(attachment["Addresses"][0]).partition("/")[0]
    return None
