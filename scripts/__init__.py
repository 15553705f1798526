"""What `make` calls: toolchain, environment, the rehearsal round trip, test tiers. Standard library only."""

import sys

# Read by whatever python3 is on PATH, so it keeps to what old ones parse.
if sys.version_info < (3, 11):  # noqa: UP036
    version = ".".join(map(str, sys.version_info[:2]))
    raise SystemExit(
        "python: this is "
        + version
        + ". Python 3.11 or newer is needed. Name one: make PYTHON=python3.11 setup."
    )
