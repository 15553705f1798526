"""A project that has network, router and address already, and workers that come, go and grow.

The credentials are OS_* variables, as they are after sourcing a file of OpenStack's web pages. One in so many
calls of the cloud's API is turned away, as where it limits how often it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from rehearsal.network import HOST_ADDRESS
from rehearsal.paths import CLIENT
from scripts.progress import Progress
from tests.cloud.conftest import CLOUD, Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.machines import ASK_BOOT, Machine, find_machines
from tests.cloud.students import Notebook
from tests.support.limited_api import Limit, limited_api

NETWORK, GROUP, APART = "campus-net", "monitoring", "apart"
DISK_GB = 8
SUBNET_CIDR = "10.55.0.0/24"
SMALL, LARGE = "r1.medium", "s1.large"
ONE_IN = 5


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the project has before there is a stack."""

    network: Any
    address: Any
    group: Any
    apart: Any


@pytest.fixture(scope="module")
def ground(connection: Connection) -> Iterator[Ground]:
    cloud: Any = connection.network
    compute: Any = connection.compute
    with ExitStack() as made:
        group = cloud.create_security_group(name=GROUP)
        made.callback(cloud.delete_security_group, group)
        apart = compute.create_server_group(name=APART, policy="soft-anti-affinity")
        made.callback(compute.delete_server_group, apart)
        network = cloud.create_network(name=NETWORK)
        made.callback(cloud.delete_network, network)
        subnet = cloud.create_subnet(
            network_id=network.id, ip_version=4, cidr=SUBNET_CIDR, dns_nameservers=[HOST_ADDRESS]
        )
        made.callback(cloud.delete_subnet, subnet)
        external = cloud.find_network("public")
        router = cloud.create_router(name="campus", external_gateway_info={"network_id": external.id})
        made.callback(cloud.delete_router, router)
        cloud.add_interface_to_router(router, subnet_id=subnet.id)
        made.callback(cloud.remove_interface_from_router, router, subnet_id=subnet.id)
        address = cloud.create_ip(floating_network_id=external.id)
        made.callback(cloud.delete_ip, address)
        yield Ground(network=network, address=address, group=group, apart=apart)


def os_variables() -> dict[str, str]:
    """What such a file exports, and no entry of clouds.yaml."""
    entry = yaml.safe_load((CLIENT / "clouds.yaml").read_text())["clouds"][CLOUD]
    auth = {f"OS_{name.upper()}": str(value) for name, value in entry["auth"].items()}
    return {**auth, "OS_REGION_NAME": entry["region_name"], "OS_IDENTITY_API_VERSION": "3", "OS_CLOUD": ""}


class SiteCourse(Course):
    """One on that ground; how many workers of which flavor changes."""

    subject = "site"

    def __init__(self, given: Surroundings, ground: Ground, limit: Limit) -> None:
        super().__init__(given)
        direct = ",".join((HOST_ADDRESS, "127.0.0.1"))
        self.environment = {**os_variables(), "http_proxy": limit.address, "no_proxy": direct}
        self._ground = ground
        self.have_workers(1, SMALL)

    def have_workers(self, count: int, flavor: str, reinstall: int = 0) -> None:
        def change(config: dict[str, Any]) -> None:
            site = config["swarmhub:site"]
            for key in ("cloud", "image", "external_network", "dns_servers"):
                del site[key]
            site |= {
                "image_pattern": "debian-1[0-9]",
                "network": NETWORK,
                "public_address": self._ground.address.floating_ip_address,
                "extra_security_groups": [GROUP],
                "availability_zone": "nova",
                "boot_volume": {"size_gb": DISK_GB},
                "scheduler_hints": {"group": self._ground.apart.id},
            }
            machines = config["swarmhub:machines"]
            machines["worker"] = {"flavor": flavor, "count": count}
            machines["reinstall"] = {"worker": reinstall}

        self.take(change)

    @property
    def machines(self) -> dict[str, Machine]:
        return find_machines(self.stack)

    @property
    def servers(self) -> dict[str, Any]:
        """The project's servers by their name in the stack."""
        listed = self.connection.compute.servers()
        return {each.name.removeprefix(f"swarmhub-{self.name}-"): each for each in listed}

    @property
    def boots(self) -> dict[str, str]:
        """Each machine's boot, which a machine that was left alone keeps."""
        return {name: machine.run(ASK_BOOT) for name, machine in self.machines.items()}

    def nodes(self) -> list[str]:
        form = "{{.Hostname}} {{.Status}} {{.Availability}}"
        return sorted(self.machines["manager"].run(f"docker node ls --format '{form}'").splitlines())


@pytest.fixture(scope="module")
def limit() -> Iterator[Limit]:
    with limited_api(ONE_IN) as limit:
        yield limit


@pytest.fixture(scope="module")
def course(surroundings: Surroundings, ground: Ground, limit: Limit) -> Iterator[SiteCourse]:
    with ending(SiteCourse(surroundings, ground, limit)) as course:
        yield course


@pytest.fixture(scope="module")
def first(course: SiteCourse) -> dict[str, str]:
    """Up on what is there; the boots of its machines."""
    course.change("up", "up on a network that is there")
    return course.boots


@pytest.fixture(scope="module")
def two(course: SiteCourse, first: dict[str, str]) -> dict[str, str]:
    """Up with a second worker; the boots after it."""
    course.have_workers(2, SMALL)
    course.change("up", "up with another worker")
    return course.boots


@pytest.fixture(scope="module")
def one_again(course: SiteCourse, two: dict[str, str]) -> Progress:
    course.have_workers(1, SMALL)
    return course.change("up", "up with one worker less")


@pytest.fixture(scope="module")
def larger(course: SiteCourse, one_again: Progress) -> dict[str, str]:
    """Up with another flavor of workers; the boots after it."""
    course.have_workers(1, LARGE)
    course.change("up", "up with a larger worker")
    return course.boots


@pytest.fixture(scope="module")
def renewed(course: SiteCourse, larger: dict[str, str]) -> str:
    """Up with another number for the workers, which replaces them; the former worker's id."""
    former = str(course.servers["worker-1"].id)
    course.have_workers(1, LARGE, reinstall=1)
    course.change("up", "up with the worker made anew")
    return former


def test_the_hub_is_up_on_the_network_and_at_the_address_that_were_there(
    course: SiteCourse, ground: Ground, first: dict[str, str]
) -> None:
    outputs = course.stack.outputs()
    assert outputs["address"] == ground.address.floating_ip_address
    servers = course.servers
    assert set(servers) == {"manager", "worker-1"}
    assert {tuple(each.addresses) for each in servers.values()} == {(NETWORK,)}
    assert all({"name": GROUP} in each.security_groups for each in servers.values())
    group: Any = course.connection.compute.get_server_group(ground.apart.id)
    assert set(group.member_ids) == {each.id for each in servers.values()}
    for each in servers.values():
        assert not each.image or not each.image.id
        volumes = [course.connection.block_storage.get_volume(one.id) for one in each.attached_volumes]
        assert DISK_GB in {volume.size for volume in volumes if volume.is_bootable}
    project = course.connection.current_project_id
    assert [each.name for each in course.connection.network.networks(project_id=project)] == [NETWORK]
    course.expect_no_changes()


def test_calls_that_the_cloud_turned_away_came_again(limit: Limit, first: dict[str, str]) -> None:
    made = {"/v2.1/servers", "/v2.0/ports", "/v2.0/security-group-rules"}
    refused = [each.split() for each in limit.refused]
    assert {path for method, path in refused if method == "POST"} & made
    assert {method for method, _ in refused} >= {"GET", "POST"}


def test_another_worker_takes_servers_and_leaves_the_rest_alone(
    course: SiteCourse, first: dict[str, str], two: dict[str, str]
) -> None:
    assert course.nodes() == ["manager Ready Active", "worker-1 Ready Active", "worker-2 Ready Active"]
    assert {name: two[name] for name in first} == first
    assert set(two) == {*first, "worker-2"}


def test_a_worker_less_is_drained_and_gone(
    course: SiteCourse, first: dict[str, str], one_again: Progress
) -> None:
    assert course.nodes() == ["manager Ready Active", "worker-1 Ready Active"]
    assert set(course.servers) == {"manager", "worker-1"}
    assert course.boots == first


def test_a_larger_flavor_resizes_the_workers_alone(
    course: SiteCourse, first: dict[str, str], larger: dict[str, str]
) -> None:
    assert course.servers["worker-1"].flavor["original_name"] == LARGE
    assert larger["manager"] == first["manager"]
    assert larger["worker-1"] != first["worker-1"]
    assert Notebook.start(course.stack, "grace").run("import os; print(os.cpu_count())") == "2\n"
    course.expect_no_changes()


def test_a_number_replaces_the_workers_alone(course: SiteCourse, first: dict[str, str], renewed: str) -> None:
    assert course.servers["worker-1"].id != renewed
    assert course.boots["manager"] == first["manager"]
    assert course.nodes() == ["manager Ready Active", "worker-1 Ready Active"]
    assert Notebook.start(course.stack, "alan").run("print(6 * 7)") == "42\n"
    course.expect_no_changes()


def test_destroy_leaves_what_was_there(course: SiteCourse, ground: Ground, renewed: str) -> None:
    course.change("destroy", "destroy")
    cloud: Any = course.connection.network
    assert course.servers == {}
    assert cloud.get_ip(ground.address.id).port_id is None
    left = {each.device_owner for each in cloud.ports(network_id=ground.network.id)}
    assert left <= {"network:dhcp", "network:router_interface"}
    groups = cloud.security_groups(project_id=course.connection.current_project_id)
    assert {each.name for each in groups} == {"default", GROUP}
