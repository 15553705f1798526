"""Where things lie: the cache directory, what the rehearsal cloud keeps in it, and the checkout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return ``$SWARMHUB_CACHE``, else ``swarmhub`` in the user's cache directory, as an absolute path."""
    if chosen := environ.get("SWARMHUB_CACHE"):
        return Path(chosen).expanduser().absolute()
    home_cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/root")) / ".cache"
    return Path(home_cache).absolute() / "swarmhub"


CHECKOUT = Path(__file__).resolve().parent.parent
CLIENT = CHECKOUT / ".rehearsal"

CACHE = cache_directory(os.environ)
REHEARSAL = CACHE / "rehearsal"

ROOTS = REHEARSAL / "roots"
CLOUD_ROOT = ROOTS / "cloud"
BROWSER_ROOT = ROOTS / "browser"

BUILDS = REHEARSAL / "builds"
ARTIFACTS = REHEARSAL / "artifacts"
PEBBLE = ARTIFACTS / "pebble"
GUEST_DISK = ARTIFACTS / "guest.qcow2"
GUEST_KERNEL = ARTIFACTS / "vmlinuz"
GUEST_INITRD = ARTIFACTS / "initrd"
GUEST_FACTS = ARTIFACTS / "guest.json"

DATA = REHEARSAL / "data"
DATA_LOGS = DATA / "logs"
RUN = REHEARSAL / "run"
LOGS = REHEARSAL / "logs"
