"""What of the rehearsal cloud is still on this machine; after a stop there must be nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rehearsal import network
from rehearsal.paths import CLOUD_ROOT, REHEARSAL, ROOTS
from rehearsal.rootfs import mounts_below


def find_traces() -> list[str]:
    """Phrases, one for each process, mount, rule, network namespace and interface that is left."""
    traces = [f"mount {point}" for point in mounts_below(REHEARSAL)]
    traces += [f"process {pid} ({name})" for pid, name in find_processes()]
    return traces + (network.leftovers() if CLOUD_ROOT.is_dir() else [])


def find_processes() -> list[tuple[int, str]]:
    """Processes whose root directory is one of the rehearsal cloud's, by whatever path they know it."""
    roots = {identify(path) for path in ROOTS.glob("*") if path.is_dir()}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if identify(process / "root") in roots:
                found.append((int(process.name), (process / "comm").read_text().strip()))
    return found


def identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
