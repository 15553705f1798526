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
class Machines:
    """How many machines of which size."""

    manager: str = key(NAME, "Flavor of the manager", change=ChangeEffect.IN_PLACE)
    worker: Workers = key(
        nested,
        "The machines that run the students' servers",
        change=ChangeEffect.IN_PLACE,
        section=Workers,
    )
