"""How many servers fit: machines' memory, less the system's, by the memory each server is promised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.*?)\s*")
MEMORY = ""
NO_RESOURCES: Mapping[str, int] = MappingProxyType({})
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


def offered(node: Mapping[str, Any], kind: str) -> int:
    """Return how much of a generic resource a node has: a number, or one for each name."""
    found = 0
    for each in node["Description"]["Resources"].get("GenericResources") or ():
        counted, named = each.get("DiscreteResourceSpec") or {}, each.get("NamedResourceSpec") or {}
        found += int(counted["Value"]) if counted.get("Kind") == kind else 0
        found += named.get("Kind") == kind
    return found


def reserved(task: Mapping[str, Any], kind: str) -> int:
    """Return how much of a generic resource a task is promised."""
    reservations = (task.get("Spec", {}).get("Resources") or {}).get("Reservations") or {}
    wanted = (each.get("DiscreteResourceSpec") or {} for each in reservations.get("GenericResources") or ())
    return sum(int(each["Value"]) for each in wanted if each.get("Kind") == kind)


def count_seats(
    swarm: Swarm,
    *,
    memory_bytes: int,
    system_bytes: int,
    resources: Mapping[str, int] = NO_RESOURCES,
    constraints: Iterable[str] = (),
    ahead: Iterable[str] = (),
) -> Seats:
    """Count the seats of ``memory_bytes`` and ``resources``, the generic ones, each.

    ``system_bytes`` is what each machine keeps for itself, ``ahead`` names services that come first; those of
    them without a machine yet take a seat too.
    """
    constraints = list(constraints)
    resources = {kind: count for kind, count in resources.items() if count}
    ids = {str(service["Spec"]["Name"]): service["ID"] for service in swarm.servers}
    servers = set(ids.values())
    placed = set()
    # By node and, for generic resources, by kind; memory is the kind that has no name.
    used: Counter[tuple[str, str]] = Counter()
    used_by_others: Counter[tuple[str, str]] = Counter()
    for task in swarm.tasks:
        node = task.get("NodeID")
        if node and task.get("Status", {}).get("State") in HOLDING:
            placed.add(task["ServiceID"])
            takes = {MEMORY: reserved_bytes(task)} | {kind: reserved(task, kind) for kind in resources}
            for kind, amount in takes.items():
                used[node, kind] += amount
                if task["ServiceID"] not in servers:
                    used_by_others[node, kind] += amount
    total = free = 0
    for node in swarm.nodes:
        if not accepts(node, constraints):
            continue
        room = {MEMORY: node["Description"]["Resources"]["MemoryBytes"] - system_bytes}
        room |= {kind: offered(node, kind) for kind in resources}
        needs = {MEMORY: memory_bytes, **resources}
        total += max(0, min((room[kind] - used_by_others[node["ID"], kind]) // needs[kind] for kind in needs))
        free += max(0, min((room[kind] - used[node["ID"], kind]) // needs[kind] for kind in needs))
    without_machine = sum(1 for name in ahead if ids.get(name) not in placed)
    return Seats(total=total, free=max(0, free - without_machine))
