"""Waiting in tests, with an end and a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL_SECONDS = 2.0


def wait_until(condition: Callable[[], bool], *, seconds: float, what: Callable[[], str]) -> float:
    """Ask until it is so and return the seconds it took; fails the test with what was last seen."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"not so after {seconds:.0f} s. Last seen: {what()}")
        time.sleep(INTERVAL_SECONDS)
    return time.monotonic() - begin
