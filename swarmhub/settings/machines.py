"""How many machines of which size."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.settings.keys import NAME, ChangeEffect, key, nested, whole_number

# More is a matter for several hubs: one manager's nginx, proxy and hub serve them all.
MAX_WORKERS = 200


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The machines that run the students' servers."""

    flavor: str = key(NAME, "Flavor of each worker", change=ChangeEffect.IN_PLACE)
    count: int | None = key(
        whole_number(1, MAX_WORKERS),
        "Number of workers; without it as many as workshop.users need, or one",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Reinstall:
    """Numbers that replace machines on purpose: another number makes them anew, with the image of then."""

    manager: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces the manager; the hub is down meanwhile, volumes and address stay",
        change=ChangeEffect.MACHINE,
        default=0,
    )
    worker: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces all workers; the servers on them end",
        change=ChangeEffect.MACHINE,
        default=0,
    )
    storage: int = key(
        whole_number(0, 1_000_000),
        "Another number replaces the storage machine; what uses homes waits meanwhile",
        change=ChangeEffect.MACHINE,
        default=0,
    )


@dataclass(frozen=True, kw_only=True)
class Machines:
    """How many machines of which size."""

    manager: str = key(NAME, "Flavor of the manager", change=ChangeEffect.IN_PLACE)
    worker: Workers = key(
        nested,
        "The machines that run the students' servers",
        change=ChangeEffect.IN_PLACE,
        section=Workers,
    )
    storage: str | None = key(
        NAME,
        "Flavor of a machine for homes alone, outside the swarm; without it the manager holds them",
        change=ChangeEffect.MACHINE,
        default=None,
    )
    reinstall: Reinstall = key(
        nested,
        "Numbers that replace machines on purpose",
        change=ChangeEffect.MACHINE,
        default=Reinstall(),
        section=Reinstall,
    )
