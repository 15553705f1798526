"""What of the rehearsal cloud is still on this machine; after a stop there must be nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rehearsal.paths import REHEARSAL
from rehearsal.rootfs import mounts_below

NAMESPACE = "swarmhub-cloud"
INTERFACE_PREFIX = "swarmhub-"


def find_traces() -> list[str]:
    """Sentences, one for each process, mount, network namespace and interface that is left."""
    traces = [f"mounted: {point}" for point in mounts_below(REHEARSAL)]
    if (Path("/run/netns") / NAMESPACE).exists():
        traces.append(f"network namespace: {NAMESPACE}")
    traces += [
        f"network interface: {interface.name}"
        for interface in Path("/sys/class/net").iterdir()
        if interface.name.startswith(INTERFACE_PREFIX)
    ]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            root, program = (process / "root").readlink(), (process / "exe").readlink()
            if root.is_relative_to(REHEARSAL) or program.is_relative_to(REHEARSAL):
                traces.append(f"process {process.name}: {program}")
    return traces
