"""The data volume."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.settings.keys import ChangeEffect, key, whole_number


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The data volume: homes, the hub's database, certificates."""

    size_gb: int = key(
        whole_number(1, 100_000), "Size of the data volume in GB", change=ChangeEffect.IN_PLACE
    )
