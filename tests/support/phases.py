"""How long each phase of a long test took, and the most memory in use meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rehearsal.host import available_memory_mb

SAMPLE_INTERVAL_SECONDS = 2.0


@dataclass(kw_only=True)
class Phases:
    """Durations by name, in the order in which the phases ended."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory_at_start_mb: int = field(default_factory=available_memory_mb)
    peak_memory_mb: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block; a phase that fails is noted too."""
        print(f"\n{name} ...", flush=True)
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - begin

    @contextmanager
    def watch_memory(self) -> Iterator[None]:
        """Sample how much less memory is available than at the start."""
        done = threading.Event()

        def sample() -> None:
            while not done.wait(SAMPLE_INTERVAL_SECONDS):
                used = self.memory_at_start_mb - available_memory_mb()
                self.peak_memory_mb = max(self.peak_memory_mb, used)

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield
        finally:
            done.set()
            sampler.join()

    def table(self) -> list[str]:
        rows = [f"{name:<44}{seconds:>8.1f} s" for name, seconds in self.seconds.items()]
        return [*rows, f"{'most memory in use beyond the start':<44}{self.peak_memory_mb:>8} MB"]
