"""Students who come at once, on a native swarm: login to ready, failures, and what the hub uses.

In the same run: bare services of the same container, and dockerspawner's own SwarmSpawner.

Uses the images built last, with the hub's package from the source.

    sudo .venv/bin/python -m benchmarks.students [NUMBER_AT_ONCE...]
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rehearsal import containers
from rehearsal.native_swarm import OVERLAY, Swarm, running_swarm
from swarmhub.text import HUB_SERVICE, START_TIMEOUT_SECONDS
from tests.support.native_hub import NativeHub, wait_until
from tests.support.student import Student
from tests.swarm.conftest import HUB_CONFIG

CROWDS = (30, 100)
ROUNDS = 5
SLOW_ROUNDS = 3
MEMORY_GB = 0.1
# How much longer ours may take than a bare service, beside the hub's work; how much sooner it sees
# a slow one.
BARE_FACTOR = 1.3
STOCK_FACTOR = 3.0
SAMPLE_SECONDS = 1.0


def time_bare_service(swarm: Swarm, number: int) -> float:
    """Seconds from the create call until Swarm says that the task runs."""
    name = f"bare-{number}"
    task = {
        "ContainerSpec": {"Image": "swarmhub/user:dev", "Command": ["sleep", "1000"]},
        "Networks": [{"Target": OVERLAY}],
        "RestartPolicy": {"Condition": "none"},
    }

    def runs() -> bool:
        tasks = swarm.docker.get("/tasks", filters={"name": [f"{name}."]})
        return any(each["Status"]["State"] == "running" for each in tasks)

    begin = time.monotonic()
    spec = {"Name": name, "TaskTemplate": task, "EndpointSpec": {"Mode": "dnsrr"}}
    swarm.docker.post("/services/create", spec)
    wait_until("bare service", runs)
    seconds = time.monotonic() - begin
    swarm.docker.delete(f"/services/{name}")
    return seconds


def time_spawn(student: Student) -> float:
    """Seconds from asking for the server, logged in, until the hub calls it ready."""

    async def spawn() -> float:
        async with student.client() as client:
            begin = time.monotonic()
            await client.start_server(lambda message: None)
            return time.monotonic() - begin

    return asyncio.run(spawn())


def see_slow_server(student: Student) -> tuple[float, float]:
    """Seconds until a server that takes its time was ready by itself, and until the hub called it so."""
    begin = time.time()
    student.start()
    seen = time.time()
    _, text = student.read("ready")
    student.stop()
    return float(text) - begin, seen - begin


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of the hub's container so far: seconds of CPU, and MB of memory now."""

    cpu_seconds: float
    memory_mb: float


def hub_usage(hub: NativeHub) -> Usage:
    stats = hub.swarm.docker.get(f"/containers/{hub.container(HUB_SERVICE)}/stats", stream="0")
    memory = stats["memory_stats"]
    return Usage(
        cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_mb=(memory["usage"] - memory["stats"].get("total_inactive_file", 0)) / 1e6,
    )


def compare_with_bare_services(hub: NativeHub) -> bool:
    """Print both; tell whether ours is as fast as it should be."""
    hub.student("warm").start()
    before = hub_usage(hub).cpu_seconds
    bare, ours = [], []
    for number in range(ROUNDS):
        bare.append(time_bare_service(hub.swarm, number))
        ours.append(time_spawn(hub.student(f"single{number}")))
    work = (hub_usage(hub).cpu_seconds - before) / ROUNDS
    allowed = BARE_FACTOR * statistics.median(bare) + work
    print(f"bare service to running       median {statistics.median(bare):6.2f} s")
    print(f"server asked for to ready     median {statistics.median(ours):6.2f} s")
    print(f"hub's own work for it         mean   {work:6.2f} s of CPU; goal {allowed:.2f} s")
    return statistics.median(ours) <= allowed


def compare_with_stock(hub: NativeHub) -> bool:
    """Print how late each spawner sees a server that needs about 8 s; tell whether ours is enough earlier."""
    late = {}
    for kind, environment in (("ours", {}), ("stock", {"SPAWNER": "dockerspawner.SwarmSpawner"})):
        hub.update(settings(hub), **environment)
        seen = [see_slow_server(hub.student(f"slow-{kind}{number}")) for number in range(SLOW_ROUNDS)]
        late[kind] = statistics.median(hub_says - itself for itself, hub_says in seen)
        itself, hub_says = (statistics.median(column) for column in zip(*seen, strict=True))
        print(f"slow server, {kind:<5}            ready after {itself:5.2f} s, seen after {hub_says:5.2f} s")
    hub.update(settings(hub))
    print(f"seen later than ready         ours {late['ours']:.2f} s, stock {late['stock']:.2f} s")
    return late["stock"] >= STOCK_FACTOR * late["ours"]


def let_come(hub: NativeHub, count: int) -> int:
    """Have so many students come at once; print what they and the hub saw, and return the failures."""
    before = hub_usage(hub)
    over = threading.Event()
    memory = [before.memory_mb]

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            memory.append(hub_usage(hub).memory_mb)

    def start(number: int) -> float | Exception:
        student = hub.student(f"s{secrets.token_hex(3)}{number}")
        student.timeout_seconds = START_TIMEOUT_SECONDS
        try:
            return student.start()
        except Exception as error:
            return error

    watcher = threading.Thread(target=sample)
    watcher.start()
    begin = time.monotonic()
    with ThreadPoolExecutor(count) as crowd:
        results = list(crowd.map(start, range(count)))
    elapsed = time.monotonic() - begin
    over.set()
    watcher.join()
    cpu = hub_usage(hub).cpu_seconds - before.cpu_seconds
    times = sorted(result for result in results if isinstance(result, float))
    failures = [result for result in results if isinstance(result, Exception)]
    if len(times) > 1:
        p95 = statistics.quantiles(times, n=20)[-1]
        print(
            f"{count} at once: login to ready p50 {statistics.median(times):.1f} s, p95 {p95:.1f} s, "
            f"all in {elapsed:.1f} s; failures {len(failures)}"
        )
    for failure in failures[:3]:
        print(f"  {failure!r}")
    print(f"  hub: {cpu:.1f} s of CPU ({100 * cpu / elapsed:.0f} % of a core), at most {max(memory):.0f} MB")
    return len(failures)


def settings(hub: NativeHub) -> dict[str, object]:
    """Servers so small that many fit on one machine, and the time that the product gives them."""
    document = hub.settings(memory_gb=MEMORY_GB)
    document["user_server"]["start_timeout_seconds"] = START_TIMEOUT_SECONDS
    return document


def main() -> int:
    crowds = [int(word) for word in sys.argv[1:]] or list(CROWDS)
    with running_swarm(containers.STORE) as swarm:
        hub = NativeHub(swarm=swarm, config=HUB_CONFIG, from_source=True)
        hub.start(settings(hub))
        reached = {"1.3 x a bare service, and the hub's work": compare_with_bare_services(hub)}
        reached["a slow server seen 3 x sooner"] = compare_with_stock(hub)
        failures = 0
        for count in crowds:
            failures += let_come(hub, count)
            for name in hub.servers():
                swarm.docker.delete(f"/services/{name}")
            # Its database still has them running: the next one polls them all, and starts from none.
            hub.update(settings(hub))
    for goal, met in reached.items():
        print(f"{'reached' if met else 'MISSED'}: {goal}")
    return int(bool(failures) or not all(reached.values()))


if __name__ == "__main__":
    sys.exit(main())
