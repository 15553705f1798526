"""What is closed, tried from outside and from a user's kernel; each port is open where it should be."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from scripts.stack import Stack
from tests.cloud.machines import Machine, await_hub, find_machines, find_probe_token
from tests.cloud.students import open_hub
from tests.support.phases import Phases

SCAN = Path(__file__).with_name("scan_cell.py")
NEIGHBOUR = "neighbour"
NEIGHBOUR_PORTS = (8888, 40001)
INNER_PORTS = (111, 2049, 2375, 2377, 4789, 7946, 8000, 8001, 8081)
USER = "swarmhub-probe"
BOOT_SECONDS, HUB_BACK_SECONDS = 600, 300
Target = tuple[str, int]
Answers = dict[str, str]

LISTEN = """
import socket, select
sockets = [socket.create_server(("0.0.0.0", port)) for port in {ports}]
while True:
    for each in select.select(sockets, [], [])[0]:
        each.accept()[0].close()
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
    listen = LISTEN.format(ports=NEIGHBOUR_PORTS)
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
    address = stack.outputs()["address"]

    def is_open(port: int) -> bool:
        try:
            with socket.create_connection((address, port), timeout=3):
                return True
        except OSError:
            return False

    return [port for port in (22, 80, 443, *INNER_PORTS, 8888, 32768) if is_open(port)]


def test_the_public_address_answers_to_web_and_ssh_alone(deployed: Stack) -> None:
    assert open_from_outside(deployed) == [22, 80, 443]


def test_a_users_kernel_reaches_what_it_needs(scanned: dict[str, Any], permitted: list[Target]) -> None:
    answers = {f"{host}:{port}": scanned[f"{host}:{port}"] for host, port in permitted}
    assert set(answers.values()) == {"open"}, answers


def test_a_users_kernel_reaches_nothing_else(
    scanned: dict[str, Any], forbidden: list[Target], machines: dict[str, Machine]
) -> None:
    reached = [f"{host}:{port}" for host, port in forbidden if scanned[f"{host}:{port}"] == "open"]
    assert reached == []
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
    targets = [(neighbour, port) for port in NEIGHBOUR_PORTS]
    seen = scan_in_container(manager, "hub.", [*targets, ("proxy", 8001), ("proxy", 8000)])
    assert set(seen.values()) == {"open"}, seen


def reboot(machine: Machine) -> None:
    boot = machine.run("cat /proc/sys/kernel/random/boot_id")
    machine.run("systemctl reboot", check=False)
    await_boot(machine, boot)


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
        reboot(worker)
        await_peers(worker)
        second = scan_in_container(worker, "scanner.", [*forbidden, ("hub", 8081)])
    with phases.phase("reboot the manager, scan"):
        reboot(manager)
        await_hub(deployed, manager, HUB_BACK_SECONDS)
        await_peers(worker)
        third = scan_in_container(worker, "scanner.", [*forbidden, ("hub", 8081)])
        assert open_from_outside(deployed) == [22, 80, 443]
    manager.run("docker service rm scanner")
    for seen in (first, second, third):
        assert [target for target, answer in seen.items() if answer == "open"] == ["hub:8081"]
        assert "gaierror" not in seen.values()


def await_boot(machine: Machine, former: str) -> None:
    machine_up = f"[ $(cat /proc/sys/kernel/random/boot_id) != {former.strip()} ] && echo up"
    machine.await_run(machine_up, lambda said: said.strip() == "up", BOOT_SECONDS)


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
