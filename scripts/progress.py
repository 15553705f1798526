"""What the Pulumi engine reports while it works, as lines a person can follow and times that add up."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PAST_TENSE = {
    "create": "created",
    "create-replacement": "created anew",
    "update": "updated",
    "import": "taken up",
    "delete": "deleted",
    "delete-replaced": "deleted after its replacement",
    "discard": "forgotten",
    "read": "read",
    "refresh": "refreshed",
}
# What the engine says besides the reason itself.
ECHOES = ("update failed", "an unhandled error occurred: program exited with non-zero exit code")
# pulumi-command repeats the whole script it ran before it gives that script's output.
REPEATED_COMMAND = re.compile(r': running "(?:[^"\\]|\\.)*":')
UNHURRIED_SECONDS = 1.0
HEARTBEAT_SECONDS = 30.0
COMPONENT_PREFIX = "swarmhub:"
LOGICAL_PREFIXES = (COMPONENT_PREFIX, "pulumi:")
NARRATING_STAGE = "probe"


@dataclass(frozen=True, kw_only=True)
class Address:
    """The parts of a URN a reader cares for."""

    name: str
    type: str
    stage: str

    @classmethod
    def parse(cls, urn: str) -> Address:
        """``stage`` is the module of the innermost of this project's components around the resource."""
        _, _, types, name = urn.split("::", 3)
        chain = types.split("$")
        stages = [token.split(":")[1] for token in chain if token.startswith(COMPONENT_PREFIX)]
        return cls(name=name, type=chain[-1].rsplit(":", 1)[-1], stage=stages[-1] if stages else "")


@dataclass(kw_only=True)
class Span:
    """From when to when something was being worked on, in seconds since the operation began."""

    begin: float
    end: float


@dataclass(kw_only=True)
class Progress:
    """Fed with engine events, it prints one line per finished resource and keeps the times and errors."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    spoken: float = field(init=False)
    open: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    stages: dict[str, Span] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = self.spoken = self.clock()

    def elapsed(self) -> float:
        return self.clock() - self.started

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take one event of the engine's log."""
        if "resourcePreEvent" in event:
            self._begin(event["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in event:
            self._finish(event["resOutputsEvent"]["metadata"], failed=False)
        elif "resOpFailedEvent" in event:
            self._finish(event["resOpFailedEvent"]["metadata"], failed=True)
        elif "diagnosticEvent" in event:
            self._hear(event["diagnosticEvent"])

    def beat(self) -> None:
        """Say what is being waited for when nothing was said for a while."""
        if self.open and self.clock() - self.spoken >= HEARTBEAT_SECONDS:
            waiting = sorted(self.open.items(), key=lambda entry: entry[1])
            names = ", ".join(
                f"{Address.parse(urn).name} ({self.elapsed() - at:.0f} s)" for urn, at in waiting
            )
            self._say(f"still at {names}")

    def report_stages(self) -> Iterable[tuple[str, Span]]:
        """The stages in the order in which they began."""
        return sorted(self.stages.items(), key=lambda entry: entry[1].begin)

    def _say(self, text: str) -> None:
        self.spoken = self.clock()
        self.say(f"  {self.elapsed():6.1f} s  {text}")

    def _begin(self, metadata: Mapping[str, Any]) -> None:
        if metadata["op"] != "same" and not metadata["type"].startswith(LOGICAL_PREFIXES):
            self.open[metadata["urn"]] = self.elapsed()

    def _finish(self, metadata: Mapping[str, Any], *, failed: bool) -> None:
        urn, operation = metadata["urn"], metadata["op"]
        begin = self.open.pop(urn, None)
        if metadata["type"].startswith(LOGICAL_PREFIXES):
            return
        address = Address.parse(urn)
        self.counts["failed" if failed else PAST_TENSE.get(operation, "unchanged")] += 1
        if begin is None:
            return
        end = self.elapsed()
        span = self.stages.setdefault(address.stage, Span(begin=begin, end=end))
        span.end = end
        outcome = "failed" if failed else PAST_TENSE.get(operation, operation)
        if failed or end - begin >= UNHURRIED_SECONDS:
            self._say(f"{address.name} ({address.type}): {outcome} in {end - begin:.1f} s")

    def _hear(self, diagnostic: Mapping[str, Any]) -> None:
        message = REPEATED_COMMAND.sub("", str(diagnostic.get("message", ""))).strip()
        address = Address.parse(diagnostic["urn"]) if diagnostic.get("urn") else None
        if diagnostic["severity"] == "error":
            if not message.startswith(ECHOES):
                self.errors.append(
                    f"{address.name}: {message}" if address and address.type != "Stack" else message
                )
        elif diagnostic["severity"] == "info" and address and address.stage == NARRATING_STAGE and message:
            self._say(message)
