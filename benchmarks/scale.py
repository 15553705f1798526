"""How the time of `pulumi up` grows with the number of workers: the real graph on a simulated cloud.

The program is recorded as an engine would see it, and replayed with the durations of DURATIONS: an operation
starts when all it waits for is done and one of the operations at once is free. That gives the wall time, the
critical path, and the calls to the cloud's services; nothing is created.

    .venv/bin/python -m benchmarks.scale [--workers 1 10 50 100 200]

Durations are chosen, not measured: a server is ACTIVE after 20 s, its first boot, which installs Docker, ends
96 s later, and calls take some seconds. What is compared are numbers of workers and of operations at once.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
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
# By logical name where it matters, else by type; in seconds.
DURATIONS: Mapping[str, float] = {
    "openstack:compute/instance:Instance": 20,
    "openstack:blockstorage/volume:Volume": 5,
    "openstack:compute/volumeAttach:VolumeAttach": 6,
    "openstack:networking/floatingIp:FloatingIp": 5,
    "openstack:networking/floatingIpAssociate:FloatingIpAssociate": 3,
    "openstack:networking/network:Network": 2,
    "openstack:networking/subnet:Subnet": 2,
    "openstack:networking/router:Router": 4,
    "openstack:networking/routerInterface:RouterInterface": 6,
    "openstack:networking/port:Port": 2,
    "openstack:networking/secGroup:SecGroup": 1,
    "openstack:networking/secGroupRule:SecGroupRule": 1,
    "command:local:Command": 0.1,
    "command:remote:Command": 3,
    "docker:index/service:Service": 12,
    "docker:index/network:Network": 2,
    "docker:index/container:Container": 4,
    "probe-run": 25,
    "front-door-certificate": 15,
}
# From a server that is ACTIVE to the end of its first boot, which goes on whether it is waited for or not.
FIRST_BOOT_SECONDS = 96
CONNECT_SECONDS = 2
SERVICES = {
    "openstack:compute": "nova",
    "openstack:networking": "neutron",
    "openstack:blockstorage": "cinder",
    "command:remote": "ssh",
    "docker:index": "docker",
}


def duration(resource: Resource) -> float:
    """Seconds that the operation takes once it may start."""
    if not resource.custom:
        return 0.0
    return DURATIONS.get(resource.name, DURATIONS.get(resource.type, 0.5))


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
            end = now + duration(resources[urn])
            if resources[urn].name.endswith("-ready"):
                end = max(now + CONNECT_SECONDS, ended[server_of(resources[urn])] + FIRST_BOOT_SECONDS)
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
        if duration(resources[step]) >= 1:
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
    options = parser.parse_args()
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
