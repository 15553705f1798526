"""How many servers fit: machines' memory, less the system's, by the memory each server is promised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.*?)\s*")
# A task in one of these states holds memory, now or as soon as it starts.
HOLDING = frozenset({"new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"})


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """What Docker's API lists: nodes, tasks that should run, and the services that are users' servers."""

    nodes: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]]
    servers: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Seats:
    """``total`` servers of one size fit when no other user's server runs, ``free`` fit now."""

    total: int
    free: int


def _attribute(node: Mapping[str, Any], key: str) -> str | None:
    """Return what a placement constraint compares; None for a key that is not known here."""
    spec, description = node.get("Spec", {}), node.get("Description", {})
    platform = description.get("Platform", {})
    known = {
        "node.id": node.get("ID"),
        "node.role": spec.get("Role"),
        "node.hostname": description.get("Hostname"),
        "node.platform.os": platform.get("OS"),
        "node.platform.arch": platform.get("Architecture"),
    }
    if key in known:
        return str(known[key] or "")
    for prefix, labels in (
        ("node.labels.", spec.get("Labels")),
        ("engine.labels.", description.get("Engine", {}).get("Labels")),
    ):
        if key.startswith(prefix):
            return str((labels or {}).get(key.removeprefix(prefix), ""))
    return None


def accepts(node: Mapping[str, Any], constraints: Iterable[str]) -> bool:
    """Whether a node takes new tasks under these constraints; one not understood is taken for met."""
    if node.get("Status", {}).get("State") != "ready" or node["Spec"].get("Availability") != "active":
        return False
    for constraint in constraints:
        parts = CONSTRAINT.fullmatch(constraint)
        found = _attribute(node, parts[1]) if parts else None
        if parts and found is not None and (found.lower() == parts[3].lower()) != (parts[2] == "=="):
            return False
    return True


def reserved_bytes(task: Mapping[str, Any]) -> int:
    """Return the memory a task is promised."""
    reservations = (task.get("Spec", {}).get("Resources") or {}).get("Reservations") or {}
    return int(reservations.get("MemoryBytes") or 0)


def count_seats(
    swarm: Swarm,
    *,
    memory_bytes: int,
    system_bytes: int,
    constraints: Iterable[str] = (),
    ahead: Iterable[str] = (),
) -> Seats:
    """Count the seats of ``memory_bytes`` each.

    ``system_bytes`` is what each machine keeps for itself, ``ahead`` names services that come first; those of
    them without a machine yet take a seat too.
    """
    constraints = list(constraints)
    ids = {str(service["Spec"]["Name"]): service["ID"] for service in swarm.servers}
    servers = set(ids.values())
    placed = set()
    used: Counter[str] = Counter()
    used_by_others: Counter[str] = Counter()
    for task in swarm.tasks:
        node = task.get("NodeID")
        if node and task.get("Status", {}).get("State") in HOLDING:
            placed.add(task["ServiceID"])
            used[node] += reserved_bytes(task)
            if task["ServiceID"] not in servers:
                used_by_others[node] += reserved_bytes(task)
    total = free = 0
    for node in swarm.nodes:
        if not accepts(node, constraints):
            continue
        room = node["Description"]["Resources"]["MemoryBytes"] - system_bytes
        total += max(0, (room - used_by_others[node["ID"]]) // memory_bytes)
        free += max(0, (room - used[node["ID"]]) // memory_bytes)
    without_machine = sum(1 for name in ahead if ids.get(name) not in placed)
    return Seats(total=total, free=max(0, free - without_machine))
