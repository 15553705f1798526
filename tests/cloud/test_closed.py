"""What is closed, tried from outside and from a user's kernel; each port is open where it should be."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from rehearsal.network import HOST_ADDRESS
from scripts.stack import Stack
from tests.cloud.machines import Machine, await_hub, find_machines, find_probe_token, open_ports
from tests.cloud.students import open_hub
from tests.support.phases import Phases

SCAN = Path(__file__).with_name("scan_cell.py")
NEIGHBOUR = "neighbour"
NEIGHBOUR_PORTS, NEIGHBOUR_UDP_PORT = (8888, 40001), 40002
INNER_PORTS = (111, 2049, 2375, 2377, 4789, 7946, 8000, 8001, 8081)
USER = "swarmhub-probe"
HUB_BACK_SECONDS, LISTEN_SECONDS = 300, 8
INNER_UDP_PORTS = (4789, 7946)
Target = tuple[str | int, ...]
Answers = dict[str, str]

LISTEN = """
import socket, select
sockets = [socket.create_server(("0.0.0.0", port)) for port in {ports}]
echo = socket.socket(type=socket.SOCK_DGRAM)
echo.bind(("0.0.0.0", {udp_port}))
while True:
    for each in select.select([*sockets, echo], [], [])[0]:
        if each is echo:
            echo.sendto(*echo.recvfrom(10))
        else:
            each.accept()[0].close()
"""

# What comes from one address to a machine, before any rule of the machine's own: protocols and ports.
LISTEN_TO_THE_WIRE = """
import json, socket, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.settimeout(1)
seen, until = set(), time.monotonic() + {seconds}
while time.monotonic() < until:
    try:
        packet = wire.recv(100)
    except TimeoutError:
        continue
    kind = {{6: "tcp", 17: "udp"}}.get(packet[9])
    if kind and socket.inet_ntoa(packet[12:16]) == "{source}":
        header = (packet[0] & 15) * 4
        source, target = (int.from_bytes(packet[header + i : header + i + 2], "big") for i in (0, 2))
        # A name server's answers aside.
        if source != 53:
            seen.add((kind, target))
print(json.dumps(sorted(seen)))
"""


def cell(targets: Sequence[Target]) -> str:
    return f"TARGETS = {[list(each) for each in targets]!r}\n{SCAN.read_text()}"


def scan_in_container(machine: Machine, container: str, targets: Sequence[Target]) -> Answers:
    """Scan from inside a running container, by the beginning of its name."""
    script = (
        f"container=$(docker ps --quiet --filter name=^{container}) && "
        f"docker exec -i $container python3 - <<'CELL'\n{cell(targets)}\nCELL\n"
    )
    return dict(json.loads(machine.run(script)))


def scan_on(machine: Machine, targets: Sequence[Target]) -> Answers:
    return dict(json.loads(machine.run(f"python3 - <<'CELL'\n{cell(targets)}\nCELL\n")))


async def run_in_a_users_kernel(stack: Stack, code: str) -> str:
    """Start a server as the probe does, run the code in a kernel of it, and remove it."""
    password = stack.outputs()["user_password"]
    async with open_hub(stack, USER, find_probe_token(stack)) as client:
        await client.remove_user()
        await client.log_in(await client.fetch_login_form(), password)
        try:
            await client.start_server(lambda message: None)
            await client.open_page("lab")
            async with client.open_kernel(await client.start_kernel()) as kernel:
                return await kernel.run(code)
        finally:
            await client.remove_user()


@pytest.fixture(scope="module")
def machines(deployed: Stack) -> dict[str, Machine]:
    return find_machines(deployed)


@pytest.fixture(scope="module")
def neighbour(machines: dict[str, Machine]) -> Iterator[str]:
    """Another user's server as the network sees it: a service of the overlay on the same worker."""
    manager = machines["manager"]
    listen = LISTEN.format(ports=NEIGHBOUR_PORTS, udp_port=NEIGHBOUR_UDP_PORT)
    manager.run(
        f"docker service create --quiet --name {NEIGHBOUR} --network hub --endpoint-mode dnsrr "
        f"--constraint node.role==worker --entrypoint python3 "
        f"swarmhub/user:dev -c '{listen}'"
    )
    yield NEIGHBOUR
    manager.run(f"docker service rm {NEIGHBOUR}")


@pytest.fixture(scope="module")
def forbidden(deployed: Stack, machines: dict[str, Machine], neighbour: str) -> list[Target]:
    """What no user's container may reach."""
    inside = [inner_address(machine) for machine in machines.values()]
    return [
        ("169.254.169.254", 80),
        (machines["manager"].reached.address, 22),
        *((address, port) for address in inside for port in (22, *INNER_PORTS)),
        *((neighbour, port) for port in NEIGHBOUR_PORTS),
        (neighbour, NEIGHBOUR_UDP_PORT, "udp"),
        *((address, port, "udp") for address in inside for port in INNER_UDP_PORTS),
        *(("proxy", port) for port in (8000, 8001)),
        *(("front-door", port) for port in (80, 443)),
    ]


def inner_address(machine: Machine) -> str:
    """The address among the machines: the first, Docker's own come after it."""
    return machine.run("hostname -I").split()[0]


@pytest.fixture(scope="module")
def scanned(
    deployed: Stack, forbidden: list[Target], permitted: list[Target], phases: Phases
) -> dict[str, Any]:
    """What a user's kernel saw."""
    code = cell([*forbidden, *permitted]) + (
        "\nprint(json.dumps({'socket': os.path.exists('/var/run/docker.sock')"
        " or os.path.exists('/run/docker.sock')}))\n"
    )
    with phases.phase("scan from a user's kernel"):
        printed = asyncio.run(run_in_a_users_kernel(deployed, code))
    answers, rest = printed.strip().splitlines()
    return {**json.loads(answers), **json.loads(rest)}


@pytest.fixture(scope="module")
def permitted(deployed: Stack) -> list[Target]:
    """What it must reach: the hub's API, and the world outside by name and by address."""
    directory = URL(deployed.configuration["config"]["swarmhub:tls"]["directory_url"])
    domain = URL(deployed.outputs()["url"]).host
    return [("hub", 8081), (str(directory.host), int(directory.port or 443)), (str(domain), 443)]


def open_from_outside(stack: Stack) -> list[int]:
    """Which ports of the public address answer."""
    return open_ports(stack.outputs()["address"], (22, 80, 443, *INNER_PORTS, 8888, 32768))


def seen_on_the_wire(machine: Machine, source: str, send: Callable[[], object]) -> list[tuple[str, int]]:
    """What arrives at a machine from an address while ``send`` is called again and again."""
    listen = LISTEN_TO_THE_WIRE.format(seconds=LISTEN_SECONDS, source=source)
    with ThreadPoolExecutor(1) as beside:
        listening = beside.submit(machine.run, f"python3 - <<'END'\n{listen}END")
        while not listening.done():
            send()
            time.sleep(0.2)
    return [(protocol, port) for protocol, port in json.loads(listening.result())]


def test_the_public_address_answers_to_web_and_ssh_alone(deployed: Stack) -> None:
    assert open_from_outside(deployed) == [22, 80, 443]


def test_no_datagram_from_outside_reaches_the_manager(deployed: Stack, machines: dict[str, Machine]) -> None:
    address = deployed.outputs()["address"]
    with socket.socket(type=socket.SOCK_DGRAM) as sender:

        def send() -> None:
            for port in (111, 2049, *INNER_UDP_PORTS):
                sender.sendto(b"?", (address, port))
            socket.create_connection((address, 443), timeout=5).close()

        seen = seen_on_the_wire(machines["manager"], HOST_ADDRESS, send)
    assert ("tcp", 443) in seen
    assert [port for protocol, port in seen if protocol == "udp"] == []


def test_a_users_kernel_reaches_what_it_needs(scanned: dict[str, Any], permitted: list[Target]) -> None:
    answers = {f"{host}:{port}": scanned[f"{host}:{port}"] for host, port in permitted}
    assert set(answers.values()) == {"open"}, answers


def test_a_users_kernel_reaches_nothing_else(
    scanned: dict[str, Any], forbidden: list[Target], machines: dict[str, Machine]
) -> None:
    names = [":".join(map(str, each)) for each in forbidden]
    assert [each for each in names if scanned[each] == "open"] == []
    # The swarm's own ports take datagrams without a word, so that only a refusal shows that they did not.
    swarm = {
        each: scanned[each]
        for each in names
        if each.endswith(tuple(f":{port}:udp" for port in INNER_UDP_PORTS))
    }
    assert set(swarm.values()) == {"refused"}, swarm
    # By the machine's own rule: the security group would leave it without an answer.
    assert scanned[f"{machines['manager'].reached.address}:22"] == "refused"
    # A name that does not resolve would prove nothing.
    assert "gaierror" not in scanned.values()
    assert scanned["socket"] is False


def test_the_same_ports_are_open_to_those_they_are_for(machines: dict[str, Machine], neighbour: str) -> None:
    manager, worker = machines["manager"], machines["worker-1"]
    inside = inner_address(manager)
    seen = scan_on(worker, [("169.254.169.254", 80), *((inside, port) for port in (22, 2049, 2377, 7946))])
    assert set(seen.values()) == {"open"}, seen
    # The swarm's own ports answer nothing: what they take is seen to arrive, and nothing for another port is.
    ports = (*INNER_UDP_PORTS, 9)
    one_each = "".join(f"echo ? >/dev/udp/{inside}/{port}; " for port in ports)
    arrived = seen_on_the_wire(manager, inner_address(worker), lambda: worker.run(one_each))
    assert {port for protocol, port in arrived if protocol == "udp"} & set(ports) == set(INNER_UDP_PORTS)
    # The manager takes no datagram from the overlay: the neighbour's answer is heard in its own container.
    seen = scan_in_container(worker, f"{neighbour}.", [("127.0.0.1", NEIGHBOUR_UDP_PORT, "udp")])
    assert set(seen.values()) == {"open"}
    targets = [(neighbour, port) for port in NEIGHBOUR_PORTS]
    seen = scan_in_container(manager, "hub.", [*targets, ("proxy", 8001), ("proxy", 8000)])
    assert set(seen.values()) == {"open"}, seen


def test_it_is_closed_again_after_docker_restarts_and_the_machines_boot(
    deployed: Stack,
    machines: dict[str, Machine],
    forbidden: list[Target],
    neighbour: str,
    phases: Phases,
) -> None:
    worker, manager = machines["worker-1"], machines["manager"]
    with phases.phase("restart docker, scan"):
        worker.run("systemctl restart docker")
        manager.run(
            "docker service create --quiet --name scanner --network hub --endpoint-mode dnsrr "
            "--constraint node.role==worker --entrypoint sleep swarmhub/user:dev 1d"
        )
        await_peers(worker)
        first = scan_in_container(worker, "scanner.", [*forbidden, ("hub", 8081)])
    with phases.phase("reboot the worker, scan"):
        worker.reboot()
        await_peers(worker)
        second = scan_in_container(worker, "scanner.", [*forbidden, ("hub", 8081)])
    with phases.phase("reboot the manager, scan"):
        manager.reboot()
        await_hub(deployed, manager, HUB_BACK_SECONDS)
        await_peers(worker)
        third = scan_in_container(worker, "scanner.", [*forbidden, ("hub", 8081)])
        assert open_from_outside(deployed) == [22, 80, 443]
    manager.run("docker service rm scanner")
    for seen in (first, second, third):
        assert [target for target, answer in seen.items() if answer == "open"] == ["hub:8081"]
        assert "gaierror" not in seen.values()


def await_peers(machine: Machine) -> None:
    """Wait until both containers run there and know each other and the manager's by name."""
    machine.run(
        """
        for ((i = 0; i < 100; i++)); do
          container=$(docker ps --quiet --filter name=^scanner.) || true
          [ -n "$container" ] && docker exec $container getent hosts neighbour hub proxy >/dev/null && exit 0
          sleep 2
        done
        exit 1
        """,
        timeout_seconds=300,
    )
