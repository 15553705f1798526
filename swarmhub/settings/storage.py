"""Where homes live, and what is left of them when the machines go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from swarmhub.errors import Finding
from swarmhub.settings.keys import (
    ACCOUNT,
    GROUP,
    ChangeEffect,
    Refused,
    address,
    flag,
    key,
    nested,
    one_of,
    pairs_of,
    shown,
    text,
    whole_number,
)

NO_QUOTA = "none"
DEFAULT_QUOTA_GB = 5.0
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


class StorageKind(StrEnum):
    """Where homes live."""

    VOLUME = "volume"
    DEVICE = "device"
    DIRECTORY = "directory"
    NFS = "nfs"
    NONE = "none"


# Those whose homes a machine of the stack serves.
SERVED = (StorageKind.VOLUME, StorageKind.DEVICE, StorageKind.DIRECTORY)
# What each kind needs.
NEEDED = {
    "size_gb": StorageKind.VOLUME,
    "device": StorageKind.DEVICE,
    "directory": StorageKind.DIRECTORY,
    "server": StorageKind.NFS,
    "export": StorageKind.NFS,
}


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Where homes live, and what is left of them when the machines go."""

    kind: StorageKind = key(
        one_of(StorageKind),
        "Where homes live: on a volume of the stack, on a block device or in a directory of an existing "
        "machine, on an NFS server that is there already, or nowhere, so that files last as long as their "
        "server",
        change=ChangeEffect.DATA,
        default=StorageKind.VOLUME,
    )
    size_gb: int | None = key(
        whole_number(1, 100_000),
        "Size of the volume for homes in GB; it can grow and never shrinks",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    home_quota_gb: float = key(
        quota_gb,
        "What one home may hold, in GB; 0 or none for no quota",
        change=ChangeEffect.NOTHING,
        default=DEFAULT_QUOTA_GB,
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
    device: str | None = key(
        text("It is a path below /dev without spaces or a .. in it", r"(?!.*/\.\.(/|$))/dev/[^\s,]+"),
        "Block device of the manager or of the storage machine, best one of /dev/disk/by-id, for "
        "kind: device. It is formatted when it is blank, and refused when it holds anything but XFS",
        change=ChangeEffect.ELSEWHERE,
        default=None,
    )
    directory: str | None = key(
        text("It is an absolute path without spaces or a .. in it", r"(?!.*/\.\.(/|$))/[^\s,]+"),
        "Directory of the manager or of the storage machine that homes are made in, for kind: directory; "
        "homes have quotas when it is on XFS that is mounted with pquota",
        change=ChangeEffect.ELSEWHERE,
        default=None,
    )
    server: str | None = key(
        address,
        "Address of the NFS server, for kind: nfs; it must reach and be reached by the machines' network",
        change=ChangeEffect.ELSEWHERE,
        default=None,
    )
    export: str | None = key(
        text("It is an absolute path without spaces or a .. in it", r"(?!.*/\.\.(/|$))/[^\s,]*"),
        "Directory of the NFS server that homes are made in, for kind: nfs",
        change=ChangeEffect.ELSEWHERE,
        default=None,
    )
    keep_after_destroy: bool = key(
        flag,
        "Leave the volumes in the cloud, or homes and the hub's state on existing machines, when the stack "
        "is destroyed; its next `up` takes them up again. "
        "A change counts from the next `up` on",
        change=ChangeEffect.NOTHING,
        default=True,
    )
    protect: bool = key(
        flag,
        "Refuse to destroy the stack while it has its volumes. A change counts from the next `up` on",
        change=ChangeEffect.NOTHING,
        default=False,
    )

    def contradictions(self) -> list[Finding]:
        """What ``kind`` asks for and is missing, and what has no meaning with it."""
        missing = [
            Finding(
                where=f"storage.{name}",
                problem="this key is missing",
                rule=f"storage.kind is {self.kind}",
                remedy="Set it, or set storage.kind to another of " + ", ".join(StorageKind),
            )
            for name, kind in NEEDED.items()
            # The size of a volume can be reckoned: see provision.py.
            if kind is self.kind is not StorageKind.VOLUME and getattr(self, name) is None
        ]
        given = [(name, kind) for name, kind in NEEDED.items() if getattr(self, name) is not None]
        if self.kind not in SERVED:
            given += [(name, StorageKind.VOLUME) for name in self._about_homes_we_serve()]
        return missing + [
            _meaningless(f"storage.{name}", self.kind, kind) for name, kind in given if kind is not self.kind
        ]

    def _about_homes_we_serve(self) -> list[str]:
        """The optional keys given that only a machine of the stack can obey."""
        given = {
            "home_quota_gb": self.home_quota_gb not in (0, DEFAULT_QUOTA_GB),
            "quota_overrides": self.quota_overrides != QuotaOverrides(),
            "shared_folder": self.shared_folder,
        }
        return [name for name, is_given in given.items() if is_given]


def _meaningless(where: str, kind: StorageKind, its_kind: StorageKind) -> Finding:
    return Finding(
        where=where,
        problem=f"this key has no meaning with storage.kind: {kind}",
        rule=f"It belongs to kind: {its_kind}",
        remedy=f"Remove it, or set storage.kind to {its_kind}",
    )
