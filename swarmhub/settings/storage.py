"""The data volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swarmhub.settings.keys import (
    ACCOUNT,
    GROUP,
    ChangeEffect,
    Refused,
    flag,
    key,
    nested,
    pairs_of,
    shown,
    whole_number,
)

NO_QUOTA = "none"
SMALLEST_QUOTA_GB, LARGEST_QUOTA_GB = 0.001, 100_000


def quota_gb(value: Any) -> float:
    """A quota in GB; 0 stands for none."""
    if value == NO_QUOTA:
        return 0.0
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not (value == 0 or SMALLEST_QUOTA_GB <= value <= LARGEST_QUOTA_GB):
        raise Refused(
            f"{shown(value)} is not accepted",
            f"It is a number of GB from {SMALLEST_QUOTA_GB:g} to {LARGEST_QUOTA_GB}, or 0 for no quota",
        )
    return float(value)


@dataclass(frozen=True, kw_only=True)
class QuotaOverrides:
    """Who may use more or less than the others."""

    users: tuple[tuple[str, float], ...] = key(
        pairs_of(ACCOUNT, quota_gb),
        "Quota of a home in GB, by user name; it outranks the groups'",
        change=ChangeEffect.NOTHING,
        default=(),
    )
    groups: tuple[tuple[str, float], ...] = key(
        pairs_of(GROUP, quota_gb),
        "Quota of each member's home in GB, by group of hub.groups; of several the largest counts",
        change=ChangeEffect.NOTHING,
        default=(),
    )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The data volume: homes, the hub's database, certificates."""

    size_gb: int = key(
        whole_number(1, 100_000), "Size of the data volume in GB", change=ChangeEffect.IN_PLACE
    )
    home_quota_gb: float = key(
        quota_gb,
        "What one home may hold, in GB; 0 or none for no quota",
        change=ChangeEffect.NOTHING,
        default=5.0,
    )
    quota_overrides: QuotaOverrides = key(
        nested,
        "Who may use more or less than the others",
        change=ChangeEffect.NOTHING,
        default=QuotaOverrides(),
        section=QuotaOverrides,
    )
    shared_folder: bool = key(
        flag,
        "Whether every server has a folder that admins and the group instructors write and all read",
        change=ChangeEffect.RESTART,
        default=False,
    )
