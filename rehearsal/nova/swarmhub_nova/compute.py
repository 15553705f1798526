"""nova-compute that lets a volume grow while a server uses it.

Volumes are plain files here, of the type ``gpfs`` (see swarmhub_cinder.files). Cinder has enlarged the file
by the time it tells Nova, whose driver of that type then has nothing to do and does not know it: Nova goes
on to have QEMU look at the size again.
"""

from __future__ import annotations

import sys
from typing import Any

from nova.cmd import compute  # type: ignore[import-not-found]
from nova.virt.libvirt.volume import gpfs  # type: ignore[import-not-found]


def extend_volume(_driver: Any, _connection_info: Any, _instance: Any, requested_size: int) -> int:
    """The size in bytes that the volume has by now."""
    return requested_size


gpfs.LibvirtGPFSVolumeDriver.extend_volume = extend_volume

if __name__ == "__main__":
    sys.exit(compute.main())
