"""A network that gives machines public addresses: no floating IP, no router, and only the manager answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from openstack.connection import Connection
from playwright.sync_api import Page

from rehearsal.inside import EXTERNAL_NETWORK
from rehearsal.network import HOST_ADDRESS, SUBNET
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.machines import find_machines, open_ports
from tests.cloud.students import Notebook

PORTS = (22, 80, 111, 443, 2049, 2375, 2377, 4789, 5000, 7946, 8000, 8081, 8888)


@pytest.fixture(scope="module")
def network(administrator: Connection) -> Iterator[str]:
    """The cloud's external network, which for a while gives addresses to machines themselves."""
    cloud: Any = administrator.network
    external = cloud.find_network(EXTERNAL_NETWORK)
    subnet = cloud.get_subnet(external.subnet_ids[0])
    with ExitStack() as undone:
        cloud.update_network(external, is_shared=True)
        undone.callback(cloud.update_network, external, is_shared=False)
        cloud.update_subnet(subnet, is_dhcp_enabled=True, dns_nameservers=[HOST_ADDRESS])
        undone.callback(cloud.update_subnet, subnet, is_dhcp_enabled=False, dns_nameservers=[])
        yield EXTERNAL_NETWORK


class PublicCourse(Course):
    """One on that network."""

    subject = "public"

    def __init__(self, given: Surroundings, network: str) -> None:
        super().__init__(given)

        def change(config: dict[str, Any]) -> None:
            site = config["swarmhub:site"]
            for key in ("external_network", "dns_servers"):
                del site[key]
            site |= {"network": network, "public_address": "direct"}

        self.take(change)


@pytest.fixture(scope="module")
def course(surroundings: Surroundings, network: str) -> Iterator[PublicCourse]:
    with ending(PublicCourse(surroundings, network)) as course:
        course.change("up", "up on a public network")
        yield course


def test_the_manager_is_opened_by_its_own_address(course: PublicCourse, page: Page) -> None:
    outputs = course.stack.outputs()
    servers = {each.name.rpartition("-")[2]: each for each in course.connection.compute.servers()}
    addresses = {each["addr"] for each in servers["manager"].addresses[EXTERNAL_NETWORK]}
    assert addresses == {outputs["address"]}
    assert list(course.connection.network.ips()) == []
    assert list(course.connection.network.routers()) == []
    page.goto(outputs["url"])
    assert page.get_by_label("Username").is_visible()
    course.expect_no_changes()


def test_of_all_public_addresses_only_the_managers_answers(course: PublicCourse) -> None:
    inside = {name: each.reached.address for name, each in find_machines(course.stack).items()}
    assert all(
        address.startswith(str(SUBNET.network_address).rpartition(".")[0]) for address in inside.values()
    )
    assert {name: open_ports(address, PORTS) for name, address in inside.items()} == {
        "manager": [22, 80, 443],
        "worker-1": [],
    }


def test_a_student_works(course: PublicCourse) -> None:
    assert Notebook.start(course.stack, "grace").run("print(6 * 7)") == "42\n"
