"""The overlay's filter beside a real Docker: its namespace is filtered when the first container is in it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from rehearsal.native_swarm import OVERLAY, Node, Swarm
from swarmhub.text import NODE_DIRECTORY
from tests.support.native_hub import wait_until

SERVICE = "filtered"
PROMPT_SECONDS = 5.0
TABLE = "table bridge swarmhub"
LOOK = """
id=$(docker network inspect --format '{{.Id}}' hub 2>/dev/null) || exit 0
is_namespace() { [ "$(stat --file-system --format %T "$namespace" 2>/dev/null)" = nsfs ]; }
for namespace in /run/docker/netns/[0-9]*-${id%"${id#??????????}"}; do
  is_namespace || continue
  # It may go between the two.
  nsenter --net="$namespace" nft list tables || ! is_namespace
done
"""


def enter(node: Node, *command: str) -> list[str]:
    parts = ("mount", "net", "pid", "uts", "root")
    return ["nsenter", f"--target={node.pid}", *(f"--{part}" for part in parts), "--wdns=/", "--", *command]


@pytest.fixture
def worker(swarm: Swarm) -> Iterator[Node]:
    """A node that runs the filter as a worker does."""
    node = swarm.nodes[-1]
    for name in ("filter-overlay.sh", "overlay-worker.nft"):
        shutil.copy(NODE_DIRECTORY / name, node.directory / name)
    log = node.directory / "filter.log"
    with log.open("wb") as sink:
        # It ends with what entered the node, whose end alone would leave it behind.
        ending = ("setpriv", "--pdeathsig", "KILL", "bash")
        command = (*ending, "/srv/node/filter-overlay.sh", OVERLAY, "/srv/node/overlay-worker.nft")
        running = subprocess.Popen(enter(node, *command), stdout=sink, stderr=sink)
        try:
            yield node
            assert running.poll() is None, log.read_text()
        finally:
            running.terminate()
            running.wait(timeout=10)


def namespaces(node: Node) -> str:
    return node.run("sh", "-c", LOOK)


def run_container(swarm: Swarm, node: Node) -> None:
    """Have a container on the node's overlay, as a student's server is."""
    placement = {"Constraints": [f"node.hostname=={node.name}"]}
    task = {
        "ContainerSpec": {"Image": "swarmhub/user:dev", "Command": ["sleep", "1000"]},
        "Networks": [{"Target": OVERLAY}],
        "Placement": placement,
    }
    swarm.docker.post(
        "/services/create",
        {"Name": SERVICE, "TaskTemplate": task, "EndpointSpec": {"Mode": "dnsrr"}},
    )

    def runs() -> bool:
        tasks = swarm.docker.get("/tasks", filters={"name": [f"{SERVICE}."]})
        return any(each["Status"]["State"] == "running" for each in tasks)

    wait_until("container", runs)


def remove_container(swarm: Swarm, node: Node) -> None:
    swarm.docker.delete(f"/services/{SERVICE}")
    # The last container of the network takes the namespace with it.
    wait_until("namespace gone", lambda: "bridge" not in namespaces(node) and not containers(node))


def containers(node: Node) -> list[object]:
    label = f"com.docker.swarm.service.name={SERVICE}"
    return list(node.docker.get("/containers/json", filters={"label": [label]}))


def test_the_namespace_of_each_first_container_is_filtered_at_once(swarm: Swarm, worker: Node) -> None:
    for _ in range(2):
        assert TABLE not in namespaces(worker)
        run_container(swarm, worker)
        begin = time.monotonic()
        while TABLE not in namespaces(worker):
            assert time.monotonic() - begin < PROMPT_SECONDS, (worker.directory / "filter.log").read_text()
        print(f"filtered {time.monotonic() - begin:.2f} s after the swarm said that the container runs")
        remove_container(swarm, worker)


def test_rules_of_the_filter_are_those_of_a_worker(swarm: Swarm, worker: Node) -> None:
    run_container(swarm, worker)
    try:
        wait_until("filter", lambda: TABLE in namespaces(worker))
        listed = worker.run("sh", "-c", LOOK.replace("nft list tables", f"nft list {TABLE}"))
        assert 'iifname "veth*" oifname "veth*"' in listed
    finally:
        remove_container(swarm, worker)
