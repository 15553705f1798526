"""From people and memory to machines: how many servers a worker seats, how many workers, what it costs."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from dataclasses import dataclass

from swarmhub.facts import Flavor
from swarmhub.settings import Price

MEGABYTES_PER_GIGABYTE = 1024
# A worker's own share: the system, Docker and the swarm take 350-600 MB (measured without servers);
# of a flavor's memory the guest sees about 3 % less, which kernel and firmware keep.
SYSTEM_MARGIN_MB = 512
UNSEEN_SHARE = 0.03
CHOICES_SHOWN = 5
# From the manager's 600 MB with hub and proxy at 100-150 users, plus what its NFS server caches.
MANAGER_FOR_USERS = ((40, 2, 4), (120, 4, 8), (5000, 8, 16))


def seats_per_worker(memory_mb: int, memory_gb: float) -> int:
    """How many servers of ``memory_gb`` a machine of ``memory_mb`` holds, none of them oversubscribed."""
    usable_mb = memory_mb * (1 - UNSEEN_SHARE) - SYSTEM_MARGIN_MB
    return max(0, math.floor(usable_mb / (memory_gb * MEGABYTES_PER_GIGABYTE)))


def workers_for(users: int, memory_mb: int, memory_gb: float) -> int | None:
    """How many workers of that memory seat ``users``; None when one seats nobody."""
    seats = seats_per_worker(memory_mb, memory_gb)
    return math.ceil(users / seats) if seats else None


def price_per_hour(price: Price, flavor: Flavor) -> float:
    """What a machine of the flavor costs for an hour, in the price's unit."""
    own = price.per_flavor_hour.get(flavor.name)
    return own if own is not None else price.per_vcpu_hour * flavor.vcpus


def hours_until_end_of(day: datetime.date, now: datetime.datetime) -> float:
    """Hours from ``now`` (with its time zone) to the end of that day there; 0 when it is over."""
    end = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), tzinfo=now.tzinfo)
    return max(0.0, (end - now).total_seconds() / 3600)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Workers of one flavor for a number of people."""

    flavor: Flavor
    count: int
    seats: int

    @property
    def vcpus(self) -> int:
        return self.count * self.flavor.vcpus


def choices(users: int, memory_gb: float, flavors: Iterable[Flavor]) -> list[Choice]:
    """Every flavor that can seat anybody, the fewest CPUs first; of those the fewest machines, but two."""
    found = []
    for flavor in flavors:
        count = workers_for(users, flavor.memory_mb, memory_gb)
        if count is not None:
            seats = seats_per_worker(flavor.memory_mb, memory_gb)
            found.append(Choice(flavor=flavor, count=count, seats=seats))
    return sorted(found, key=lambda each: (each.vcpus, each.count == 1, each.count))


def storage_gb(users: int, home_gb: float) -> int:
    """Size of a data volume whose homes may all be full, with a tenth for the hub and XFS itself."""
    return math.ceil(users * home_gb * 1.1) + 1


def manager_for(users: int) -> tuple[int, int]:
    """CPUs and GB of memory of a manager that also exports the homes: a rule of thumb, not a measurement."""
    return next((vcpus, memory_gb) for most, vcpus, memory_gb in MANAGER_FOR_USERS if users <= most)


def explain_sizing(users: int, memory_gb: float, home_gb: float, flavors: Iterable[Flavor]) -> str:
    """The arithmetic as a person reads it, the workers with the fewest CPUs first."""
    lines = [f"{users} people x {memory_gb:g} GB = {users * memory_gb:g} GB of memory in the workers", ""]
    found = choices(users, memory_gb, flavors)
    if not found:
        lines.append(f"no flavor seats a server of {memory_gb:g} GB")
    for choice in found[:CHOICES_SHOWN]:
        flavor = choice.flavor
        usable_gb = (flavor.memory_mb * (1 - UNSEEN_SHARE) - SYSTEM_MARGIN_MB) / MEGABYTES_PER_GIGABYTE
        lines.append(
            f"{choice.count:>4} x {flavor.name}: {flavor.memory_mb / MEGABYTES_PER_GIGABYTE:g} GB - "
            f"{UNSEEN_SHARE:.0%} - {SYSTEM_MARGIN_MB} MB = {usable_gb:.1f} GB, / {memory_gb:g} = "
            f"{choice.seats} seats each, {choice.seats * choice.count} in all; "
            f"{users / choice.vcpus:.1f} people a CPU, {choice.vcpus} CPUs in all"
        )
    vcpus, manager_gb = manager_for(users)
    lines += [
        "",
        f"manager: about {vcpus} CPUs, {manager_gb} GB",
        f"data volume: {users} x {home_gb:g} GB + 10 % + 1 GB = {storage_gb(users, home_gb)} GB",
    ]
    if found:
        lines += [
            "",
            f"machines.worker: {{flavor: {found[0].flavor.name}, count: {found[0].count}}}",
            f"storage.size_gb: {storage_gb(users, home_gb)}",
            f"limits.memory_gb: {memory_gb:g}",
            f"workshop.users: {users}",
        ]
    return "\n".join(lines)
