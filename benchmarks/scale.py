"""How the time of `pulumi up` grows with the number of workers: the real graph on a simulated cloud.

The program is recorded as an engine would see it, and replayed with the durations of a real `up` on the
rehearsal cloud: an operation starts when all it waits for is done and one of the operations at once is free.
That gives the wall time, the critical path, and the calls to the cloud's services; nothing is created.

    .venv/bin/python -m benchmarks.scale [--workers 1 10 50 100 200]
    make up | tee up.txt && .venv/bin/python -m benchmarks.scale --record up.txt

The second takes the durations of another `up`. A machine's first boot is taken to last as long
whether one or two hundred boot, as on a cloud; what is compared are numbers of workers and of operations at
once.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import itertools
import json
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from components.remote_host import OperatorKey
from components.workshop import Workshop
from scripts.stack import OPERATIONS_AT_ONCE
from tests.support.recording import Graph, Recording, Resource
from tests.support.stacks import dev_plan

PULUMI_DEFAULT_AT_ONCE = 8
WORKERS = (1, 10, 50, 100, 200)
# Between the smallest and the largest number of workers, the wall time may grow by this much.
FLAT_FACTOR = 1.5
KEY = OperatorKey(public="ssh-ed25519 AAAA operator", private="private", private_file="/keys/id_ed25519")
RECORDED = Path(__file__).with_name("recorded_up.json")
# What `make up` shows of what took a second: ` 142.8 s  front-door-nginx (Container): created in 16.3 s`.
CREATED = re.compile(r"^ *[\d.]+ s  (\S+) \((\w+)\): created in ([\d.]+) s", re.MULTILINE)
# What is not shown took less than a second.
NOT_SHOWN_SECONDS = 0.5
CONNECT_SECONDS = 2
SERVICES = {
    "openstack:compute": "nova",
    "openstack:networking": "neutron",
    "openstack:blockstorage": "cinder",
    "command:remote": "ssh",
    "docker:index": "docker",
}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Seconds of operations in a real run: by logical name, and the median of each type's."""

    by_name: Mapping[str, float]
    by_type: Mapping[str, float]
    # From a server that is ACTIVE to the end of its first boot, which goes on whether waited for or not.
    first_boot: float

    @classmethod
    def read(cls) -> Recorded:
        return cls(**json.loads(RECORDED.read_text()))

    @classmethod
    def of_run(cls, printed: str) -> Recorded:
        """What `make up` has printed. Raises ValueError when no machine was made in that run."""
        rows = [(name, kind, float(seconds)) for name, kind, seconds in CREATED.findall(printed)]
        boots = [seconds for name, _, seconds in rows if name.endswith("-ready")]
        if not boots:
            raise ValueError("no machine was made in that run")
        types: dict[str, list[float]] = {}
        for name, kind, seconds in rows:
            if not name.endswith("-ready"):
                types.setdefault(kind, []).append(seconds)
        return cls(
            by_name={name: seconds for name, _, seconds in rows if not name.endswith("-ready")},
            by_type={kind: statistics.median(each) for kind, each in types.items()},
            # Workers are looked at after the manager, which leads to them: theirs are over by then.
            first_boot=max(boots),
        )

    def duration(self, resource: Resource) -> float:
        """Seconds that the operation takes once it may start."""
        # Workers after the first one take what it took.
        first = re.sub(r"worker-\d+", "worker-1", resource.name)
        kind = resource.type.rpartition(":")[2]
        return self.by_name.get(first, self.by_type.get(kind, NOT_SHOWN_SECONDS)) if resource.custom else 0.0


def waits_for(graph: Graph) -> dict[str, set[str]]:
    """For each resource's URN, those it is created after."""
    known = {each.urn for each in graph}
    result = {}
    for each in graph:
        provider = {each.provider.rpartition("::")[0]} if each.provider else set()
        result[each.urn] = (set(each.dependencies) | provider) & known - {each.urn}
    return result


def server_of(ready: Resource) -> str:
    """The URN of the server whose first boot a command ``...-ready`` waits for."""
    name = ready.name.removesuffix("-ready") + "-server"
    return next(urn for urn in ready.dependencies if urn.endswith(f"::{name}"))


@dataclass(frozen=True, kw_only=True)
class Replay:
    """``seconds`` of wall time, the longest chain that made it, and what each service was asked."""

    seconds: float
    critical_path: tuple[str, ...]
    calls: Counter[str]
    most_at_once: int


def replay(graph: Graph, at_once: int) -> Replay:
    """Run the graph with so many operations at once, first come, first served."""
    recorded = Recorded.read()
    resources = {each.urn: each for each in graph}
    waits = waits_for(graph)
    followers: dict[str, list[str]] = {urn: [] for urn in resources}
    for urn, earlier in waits.items():
        for each in earlier:
            followers[each].append(urn)
    missing = {urn: len(earlier) for urn, earlier in waits.items()}
    order = itertools.count()
    ready = [(0.0, next(order), urn) for urn, count in missing.items() if not count]
    running: list[tuple[float, int, str]] = []
    came_after: dict[str, str | None] = dict.fromkeys(resources)
    ended: dict[str, float] = {}
    now, busy, most, last = 0.0, 0, 0, ""
    while ready or running:
        while ready and busy < at_once:
            _, number, urn = heapq.heappop(ready)
            busy += 1
            end = now + recorded.duration(resources[urn])
            if resources[urn].name.endswith("-ready"):
                end = max(now + CONNECT_SECONDS, ended[server_of(resources[urn])] + recorded.first_boot)
            heapq.heappush(running, (end, number, urn))
        most = max(most, busy)
        now, _, last = heapq.heappop(running)
        busy -= 1
        ended[last] = now
        for urn in followers[last]:
            missing[urn] -= 1
            if not missing[urn]:
                came_after[urn] = last
                heapq.heappush(ready, (now, next(order), urn))
    path: list[str] = []
    step: str | None = last
    while step is not None:
        if recorded.duration(resources[step]) >= 1:
            path.append(resources[step].name)
        step = came_after[step]
    calls = Counter(
        service for each in graph for prefix, service in SERVICES.items() if each.type.startswith(prefix)
    )
    return Replay(seconds=now, critical_path=tuple(reversed(path)), calls=calls, most_at_once=most)


def record(workers: int) -> Graph:
    """The dev stack's graph with so many workers."""
    outputs = {
        "command:local:Command": lambda name, _: {"stdout": "ssh-ed25519 KEY x\nprivate\n"},
        "command:remote:Command": lambda name, _: {"stdout": "SWMTKN-1-token"},
    }
    plan = dev_plan(machines__worker__count=workers)
    return Recording(outputs=outputs).run(lambda: Workshop("workshop", plan, KEY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument(
        "--record", metavar="LOG", type=Path, help="take the durations from pulumi's log of an up"
    )
    options = parser.parse_args()
    if options.record:
        document = dataclasses.asdict(Recorded.of_run(options.record.read_text()))
        RECORDED.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    times: dict[int, float] = {}
    print(f"{'workers':>7} {'resources':>9} {'up':>7} {'with 8':>8}  calls")
    for workers in options.workers:
        graph = record(workers)
        ours, default = replay(graph, OPERATIONS_AT_ONCE), replay(graph, PULUMI_DEFAULT_AT_ONCE)
        unlimited = replay(graph, len(graph.resources))
        times[workers] = ours.seconds
        calls = ", ".join(f"{service} {count}" for service, count in sorted(ours.calls.items()))
        print(
            f"{workers:>7} {len(graph.resources):>9} {ours.seconds:>5.0f} s {default.seconds:>6.0f} s  "
            f"{calls}; unlimited {unlimited.seconds:.0f} s with {unlimited.most_at_once} at once"
        )
    print("critical path: " + " > ".join(unlimited.critical_path))
    growth = times[max(times)] / times[min(times)]
    print(f"growth from {min(times)} to {max(times)} workers: {growth:.2f} x (goal {FLAT_FACTOR:g})")
    return int(growth > FLAT_FACTOR)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_up:
        # The graph reads the rehearsal cloud's CA, which need not run for this.
        (Path(made_up) / ".rehearsal").mkdir()
        (Path(made_up) / ".rehearsal" / "directory-ca.pem").write_text("directory CA\n")
        with patch("components.front_door.PROJECT_DIRECTORY", Path(made_up)):
            status = main()
    sys.exit(status)
