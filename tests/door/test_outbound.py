"""What leaves a worker by Docker's bridge: a user's container, its machine, and a world behind that.

The world answers for every address that matters; what is closed is closed by the worker's own rules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.rootfs import Root
from swarmhub.plan import Role
from swarmhub.text import closing_files
from tests.door.conftest import require_own_network
from tests.door.root import SPEC
from tests.door.test_overlay import CONNECT, LISTEN, NAMESPACES, PREFIX, do, inside, ip
from tests.support.stacks import dev_plan

MANAGER, WORKER, GATEWAY = "10.20.0.11", "10.20.0.12", "10.20.0.1"
PUBLIC, METADATA, FILE_SERVER = "203.0.113.5", "169.254.169.254", "192.0.2.5"
LISTED, UNLISTED = "192.0.2.7", "198.51.100.7"
WORLD = (MANAGER, PUBLIC, METADATA, FILE_SERVER, LISTED, UNLISTED)
PORTS = (22, 80, 443, 2049)
BRIDGE = "docker_gwbridge"
NAMES = ("gate", "student", "world")
PAGES = {(PUBLIC, 80), (PUBLIC, 443)}
JUMP = "iptables -w -C FORWARD -j DOCKER-USER 2>/dev/null || iptables -w -I FORWARD -j DOCKER-USER"
Reached = set[tuple[str, int]]


def every_port_of(*addresses: str) -> Reached:
    return {(address, port) for address in addresses for port in PORTS}


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    require_own_network()
    listener = None
    try:
        for name in NAMES:
            ip("netns", "add", PREFIX + name)
            ip("link", "set", "lo", "up", within=name)
        for device, other in (("eth0", "world"), ("veth0", "student")):
            here, there = ("netns", PREFIX + "gate"), ("netns", PREFIX + other)
            ip("link", "add", device, *here, "type", "veth", "peer", "eth0", *there)
        ip("link", "add", BRIDGE, "type", "bridge", within="gate")
        ip("link", "set", "veth0", "master", BRIDGE, "up", within="gate")
        for name, device, address in (
            ("gate", "eth0", f"{WORKER}/24"),
            ("gate", BRIDGE, "172.18.0.1/16"),
            ("student", "eth0", "172.18.0.2/16"),
            ("world", "eth0", f"{GATEWAY}/24"),
            *(("world", "lo", f"{address}/32") for address in WORLD),
        ):
            ip("address", "add", address, "dev", device, within=name)
            ip("link", "set", device, "up", within=name)
        ip("route", "add", "default", "via", GATEWAY, within="gate")
        # The manager is a neighbour, and here one more address of the world.
        ip("route", "add", MANAGER, "via", GATEWAY, within="gate")
        ip("route", "add", "default", "via", "172.18.0.1", within="student")
        ip("route", "add", "172.18.0.0/16", "via", WORKER, within="world")
        do(*inside("gate", "sysctl", "--quiet", "net.ipv4.ip_forward=1"))
        command = inside("world", sys.executable, "-c", LISTEN.format(ports=PORTS))
        listener = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert listener.stdout
        assert listener.stdout.readline() == b"ready\n"
        yield
    finally:
        if listener:
            listener.kill()
            listener.communicate()
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", PREFIX + name], capture_output=True)


def reached() -> Reached:
    """What the user's container reaches."""
    targets = sorted(every_port_of(*WORLD))
    asked = [(address, port, 0) for address, port in targets]
    answers = json.loads(do(*inside("student", sys.executable, "-c", CONNECT.format(targets=asked))))
    return {target for target, answer in zip(targets, answers, strict=True) if answer}


@pytest.fixture
def close(network: None, tmp_path: Path) -> Callable[..., None]:
    """Put a worker's rules in force with the files that the deployment installs."""
    root = Root(SPEC.directory)

    def in_gate(*command: str) -> None:
        entered = ["nsenter", f"--net={NAMESPACES / (PREFIX + 'gate')}", *command]
        root.run(entered, binds={tmp_path: "srv/closing", NAMESPACES: "run/netns"})

    def close(**changes: Any) -> None:
        files = closing_files(dev_plan(**changes), Role.WORKER, MANAGER, PUBLIC, "10.20.0.0/24")
        for file in files:
            (tmp_path / Path(file.path).name).write_text(file.content)
        in_gate("env", "FIREWALL_ENV=/srv/closing/firewall.env", "bash", "/srv/closing/firewall.sh")
        # As Docker has it: what is forwarded comes by this chain.
        in_gate("sh", "-c", JUMP)

    return close


def test_without_the_rules_all_of_it_is_open(network: None) -> None:
    assert reached() == every_port_of(*WORLD)


def test_the_world_is_open_and_the_machines_are_not(close: Callable[..., None]) -> None:
    close()
    assert reached() == every_port_of(FILE_SERVER, LISTED, UNLISTED) | PAGES


def test_of_the_world_what_is_listed_is_open(close: Callable[..., None]) -> None:
    close(limits__outbound_networks=[f"{LISTED}/32"])
    assert reached() == every_port_of(LISTED) | PAGES
    close()
    assert reached() == every_port_of(FILE_SERVER, LISTED, UNLISTED) | PAGES


def test_a_file_server_elsewhere_is_closed_although_it_is_listed(close: Callable[..., None]) -> None:
    elsewhere = {"kind": "nfs", "server": FILE_SERVER, "export": "/srv/homes"}
    close(storage=elsewhere, limits__outbound_networks=["192.0.2.0/24"])
    assert reached() == every_port_of(LISTED) | PAGES
