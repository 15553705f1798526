"""Where things lie: the checkout's own directories and the cache shared by all checkouts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VIRTUALENV = CHECKOUT / ".venv"
STATE = CHECKOUT / ".state"
CLIENT_FILES = CHECKOUT / ".rehearsal"
REQUIREMENTS = CHECKOUT / "requirements"


def cache_directory(environment: Mapping[str, str]) -> Path:
    """The directory for everything that may be made anew; the same rule as in rehearsal/paths.py."""
    if named := environment.get("SWARMHUB_CACHE"):
        return Path(named).resolve()
    base = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "swarmhub"
