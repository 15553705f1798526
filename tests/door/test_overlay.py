"""The overlay's filter on the network that Docker makes of it: bridges, veths and VXLAN in namespaces.

Three machines, each a namespace on one link, each with the overlay's namespace behind a VXLAN device; on the
manager hub and proxy, on the first worker two users, on the second one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rehearsal.rootfs import Root
from swarmhub.plan import Role
from swarmhub.text import NodeFile, closing_files
from tests.door.conftest import require_own_network
from tests.door.root import SPEC
from tests.support.stacks import dev_plan

MACHINES = {"manager": "10.20.0.11", "worker-1": "10.20.0.12", "worker-2": "10.20.0.13"}
CONTAINERS = {
    "hub": ("manager", "10.80.0.2"),
    "proxy": ("manager", "10.80.0.3"),
    "ada": ("worker-1", "10.80.0.4"),
    "ben": ("worker-1", "10.80.0.5"),
    "cyd": ("worker-2", "10.80.0.6"),
}
NAMESPACES = Path("/run/netns")
PREFIX = "swarmhub-door-"
PORTS = (8000, 8001, 8081, 8888)
LISTEN = """
import select, socket
sockets = [socket.create_server(("0.0.0.0", port)) for port in {ports}]
print("ready", flush=True)
while True:
    for each in select.select(sockets, [], [])[0]:
        each.accept()[0].close()
"""
CONNECT = """
import concurrent.futures, json, socket
def is_open(target):
    address, port, from_port = target
    try:
        source = ("", from_port) if from_port else None
        with socket.create_connection((address, port), timeout=1, source_address=source):
            return True
    except OSError:
        return False
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(is_open, {targets}))))
"""
Target = tuple[str, int]


def do(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def ip(*arguments: str, within: str = "") -> None:
    do("ip", *(("-n", PREFIX + within) if within else ()), *arguments)


def inside(namespace: str, *command: str | Path) -> list[str]:
    return ["ip", "netns", "exec", PREFIX + namespace, *map(str, command)]


def make_network() -> None:
    ip("link", "add", "lan", "type", "bridge")
    ip("link", "set", "lan", "up")
    for machine, address in MACHINES.items():
        overlay = f"overlay-{machine}"
        ip("netns", "add", PREFIX + machine)
        ip("netns", "add", PREFIX + overlay)
        ip("link", "add", machine, "type", "veth", "peer", "eth0", "netns", PREFIX + machine)
        ip("link", "set", machine, "master", "lan", "up")
        ip("address", "add", f"{address}/24", "dev", "eth0", within=machine)
        ip("link", "set", "eth0", "up", within=machine)
        # As libnetwork does: made in the machine's namespace, where its UDP goes, and then moved.
        options = ("id", "4097", "dstport", "4789", "local", address, "dev", "eth0")
        ip("link", "add", "vxlan0", "type", "vxlan", *options, within=machine)
        ip("link", "set", "vxlan0", "netns", PREFIX + overlay, within=machine)
        ip("link", "add", "br0", "type", "bridge", within=overlay)
        ip("link", "set", "br0", "up", within=overlay)
        ip("link", "set", "vxlan0", "master", "br0", "up", within=overlay)
        for peer, peer_address in MACHINES.items():
            if peer != machine:
                fdb = ("append", "00:00:00:00:00:00", "dev", "vxlan0", "dst", peer_address)
                do("bridge", "-n", PREFIX + overlay, "fdb", *fdb)
    for number, (container, (machine, address)) in enumerate(CONTAINERS.items()):
        overlay = f"overlay-{machine}"
        ip("netns", "add", PREFIX + container)
        ip(
            "link",
            "add",
            f"veth{number}",
            "type",
            "veth",
            "peer",
            "eth0",
            "netns",
            PREFIX + container,
            within=overlay,
        )
        ip("link", "set", f"veth{number}", "master", "br0", "up", within=overlay)
        ip("address", "add", f"{address}/20", "dev", "eth0", within=container)
        ip("link", "set", "eth0", "up", within=container)


def close(directory: Path, root: Root) -> None:
    """Put the rules of every machine in force with the files that the deployment installs."""
    for machine in MACHINES:
        role = Role.MANAGER if machine == "manager" else Role.WORKER
        files: Sequence[NodeFile] = closing_files(
            dev_plan(), role, MACHINES["manager"], "203.0.113.5", "10.20.0.0/24"
        )
        own = directory / machine
        own.mkdir()
        for file in files:
            (own / Path(file.path).name).write_text(file.content)
        firewall = ["env", "FIREWALL_ENV=/srv/closing/firewall.env", "bash", "/srv/closing/firewall.sh"]
        filtering = ["nft", "--file", "/srv/closing/overlay.nft"]
        for namespace, command in ((machine, firewall), (f"overlay-{machine}", filtering)):
            entered = ["nsenter", f"--net={NAMESPACES / (PREFIX + namespace)}", *command]
            # Twice: the rules are replaced, not added to.
            for _ in range(2):
                root.run(entered, binds={own: "srv/closing", NAMESPACES: "run/netns"})


def open_ports(source: str, targets: Sequence[Target], from_port: int = 0) -> list[Target]:
    """Which of these a container reaches."""
    addresses = [(CONTAINERS[name][1], port, from_port) for name, port in targets]
    answers = json.loads(do(*inside(source, sys.executable, "-c", CONNECT.format(targets=addresses))))
    return [target for target, answer in zip(targets, answers, strict=True) if answer]


EVERYTHING = [(name, port) for name in CONTAINERS for port in PORTS]


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    require_own_network()
    listeners = []
    try:
        make_network()
        for container in CONTAINERS:
            command = inside(container, sys.executable, "-c", LISTEN.format(ports=PORTS))
            listeners.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        for listener in listeners:
            assert listener.stdout
            assert listener.stdout.readline() == b"ready\n"
        yield
    finally:
        for listener in listeners:
            listener.kill()
            listener.wait()
            if listener.stdout:
                listener.stdout.close()
        for namespace in (*CONTAINERS, *MACHINES, *(f"overlay-{machine}" for machine in MACHINES)):
            subprocess.run(["ip", "netns", "delete", PREFIX + namespace], capture_output=True)
        for link in (*MACHINES, "lan"):
            subprocess.run(["ip", "link", "delete", link], capture_output=True)


@pytest.fixture(scope="module")
def closed(network: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Without the rules all of it is open: what is closed below was closed by them.
    others = [target for target in EVERYTHING if target[0] != "ada"]
    assert open_ports("ada", others) == others
    close(tmp_path_factory.mktemp("closing"), Root(SPEC.directory))


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("user", ["ada", "ben", "cyd"])
def test_a_user_reaches_the_hubs_api_alone(user: str) -> None:
    others = [target for target in EVERYTHING if target[0] != user]
    reached = open_ports(user, others)
    assert ("hub", 8081) in reached
    # The port is let through to whatever is on the manager; nothing but the hub listens on it there.
    assert [target for target in reached if target[1] != 8081 or target[0] not in ("hub", "proxy")] == []


@pytest.mark.usefixtures("closed")
def test_the_source_port_of_a_users_server_opens_nothing() -> None:
    assert open_ports("cyd", [("proxy", 8001)], from_port=8889) == []


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("service", ["hub", "proxy"])
def test_hub_and_proxy_reach_each_other_and_every_user(service: str) -> None:
    others = [target for target in EVERYTHING if target[0] != service]
    assert open_ports(service, others) == others
