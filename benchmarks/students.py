"""Students who come at once, on a native swarm: login to ready, failures, and what the hub uses; in one run
with bare services of the same container. Uses the images built last, with the hub's package from the source.

    sudo .venv/bin/python -m benchmarks.students 30
"""

from __future__ import annotations

import secrets
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rehearsal import containers
from rehearsal.native_swarm import OVERLAY, Swarm, running_swarm
from swarmhub.text import HUB_SERVICE
from tests.support.native_hub import NativeHub, wait_until
from tests.swarm.conftest import HUB_CONFIG

ROUNDS = 5
MEMORY_GB = 0.1


def time_bare_service(swarm: Swarm, number: int) -> float:
    """Seconds from the create call until Swarm says that the task runs."""
    name = f"bare-{number}"
    server = {"Image": "swarmhub/user:dev", "Command": ["sleep", "1000"]}
    task = {
        "ContainerSpec": server,
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


def hub_usage(hub: NativeHub) -> tuple[float, float]:
    """Seconds of CPU and MB of memory of the hub's container so far."""
    stats = hub.swarm.docker.get(f"/containers/{hub.container(HUB_SERVICE)}/stats", stream="0")
    used = stats["memory_stats"]["usage"] - stats["memory_stats"]["stats"].get("cache", 0)
    return stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, used / 1e6


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with running_swarm(containers.STORE) as swarm:
        hub = NativeHub(swarm=swarm, config=HUB_CONFIG, from_source=True)
        hub.start(hub.settings(memory_gb=MEMORY_GB))
        bare, ours = [], []
        for number in range(ROUNDS):
            bare.append(time_bare_service(swarm, number))
            ours.append(hub.student(f"single{number}").start())
        print(f"bare service to running   median {statistics.median(bare):6.2f} s")
        print(f"login to ready, one       median {statistics.median(ours):6.2f} s")
        cpu_before, _ = hub_usage(hub)
        begin = time.monotonic()

        def start(number: int) -> float | Exception:
            try:
                return hub.student(f"s{secrets.token_hex(3)}{number}").start()
            except Exception as error:
                return error

        with ThreadPoolExecutor(count) as crowd:
            results = list(crowd.map(start, range(count)))
        elapsed = time.monotonic() - begin
        cpu, memory = hub_usage(hub)
    times = sorted(result for result in results if isinstance(result, float))
    failures = [result for result in results if isinstance(result, Exception)]
    if len(times) > 1:
        p95 = statistics.quantiles(times, n=20)[-1]
        print(
            f"{count} at once: p50 {statistics.median(times):.1f} s, p95 {p95:.1f} s, all in {elapsed:.1f} s"
        )
    print(f"failures {len(failures)}{': ' + str(failures[0]) if failures else ''}")
    print(f"hub: {cpu - cpu_before:.1f} s of CPU meanwhile, {memory:.0f} MB")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
