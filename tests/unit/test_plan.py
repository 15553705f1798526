"""The plan: names, machines, openings, the domain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.facts import ExistingVolume
from swarmhub.plan import (
    LONGEST_NAME,
    NAME_MAX_CHARACTERS,
    address_description,
    cloud_request,
    entrance_name,
    name_prefix,
    overlay_mtu,
    resource_name,
    router_name,
    subnet_name,
)
from swarmhub.settings import read_settings
from tests.support.stacks import DEV_CONFIG, EXISTING_NETWORK, dev_config, dev_plan


def test_workers_are_numbered_from_one() -> None:
    plan = dev_plan(machines__worker__count=3)
    assert [worker.name for worker in plan.workers] == ["worker-1", "worker-2", "worker-3"]
    assert plan.workers[2].server_name == "swarmhub-dev-worker-3"


def test_only_web_and_ssh_are_open_to_networks() -> None:
    openings = dev_plan(site__admin_networks=["198.51.100.0/24", "203.0.113.7/32"]).network.entrance
    assert {(str(each.source), each.port) for each in openings} == {
        ("0.0.0.0/0", 80),
        ("0.0.0.0/0", 443),
        ("198.51.100.0/24", 22),
        ("203.0.113.7/32", 22),
    }


def test_everything_else_is_open_to_members_alone() -> None:
    assert all(each.source is None for each in dev_plan().network.members)


def test_a_long_stack_name_is_shortened_to_a_host_name() -> None:
    name = resource_name("s" * 100, LONGEST_NAME)
    assert len(name) == NAME_MAX_CHARACTERS
    assert name.endswith(f"-{LONGEST_NAME}")


def test_a_stack_name_that_fits_is_in_the_names_as_it_is() -> None:
    longest = "s" * (NAME_MAX_CHARACTERS - len(f"swarmhub--{LONGEST_NAME}"))
    assert resource_name(longest, "worker-1") == f"swarmhub-{longest}-worker-1"


@given(
    begin=st.text("ab-", min_size=30, max_size=60),
    ends=st.lists(st.text("ab-", max_size=20), min_size=2, max_size=5, unique=True),
)
def test_stacks_that_begin_alike_share_no_name(begin: str, ends: list[str]) -> None:
    prefixes = {name_prefix(f"{begin}{end}") for end in ends}
    assert len(prefixes) == len(ends)
    for prefix in prefixes:
        assert not any(other.startswith(f"{prefix}-network") for other in prefixes - {prefix})


@pytest.mark.parametrize("stack", ["dev", "a" * 80])
def test_every_name_of_a_stack_is_one_that_the_sweep_looks_for(stack: str) -> None:
    network = dev_plan(stack).network
    for made, what in (
        (subnet_name(network), "network-subnet"),
        (router_name(network), "network-router"),
        (entrance_name(network), "network-entrance"),
        (address_description(network), "network-address"),
    ):
        assert made == resource_name(stack, what)
        assert len(made) <= NAME_MAX_CHARACTERS


@pytest.mark.parametrize("stack", ["a", "spring-school", "x" * 80])
def test_names_begin_with_the_prefix_that_finds_orphans(stack: str) -> None:
    plan = dev_plan(stack)
    assert plan.manager.server_name.startswith(f"swarmhub-{stack[:10]}")


def test_the_domain_takes_the_address() -> None:
    assert dev_plan().domain_at("172.24.4.57") == "hub-172-24-4-57.rehearsal.test"
    assert dev_plan(hub__domain="hub.example.org").domain_at("192.0.2.1") == "hub.example.org"


def test_a_hub_without_a_name_is_opened_by_its_address() -> None:
    plan = dev_plan(hub__domain="address")
    assert plan.is_nameless
    assert plan.url_of(plan.domain_at("192.0.2.1")) == "https://192.0.2.1"


def test_automatic_names_are_made_of_what_the_cloud_says() -> None:
    domain = "{instance}.{project}.projects.example.org"
    plan = dev_plan(hub__domain=domain, known={"project_name": "Physics_101"})
    assert plan.domain_at("192.0.2.1") == "swarmhub-dev-manager.physics-101.projects.example.org"


def test_the_overlay_leaves_room_for_its_encapsulation() -> None:
    assert overlay_mtu(1450) == 1400


def test_an_existing_network_brings_its_own_addresses() -> None:
    network = dev_plan(network=EXISTING_NETWORK, site__network="campus").network
    assert network.existing == EXISTING_NETWORK
    assert network.subnet_cidr == "10.1.0.0/24"


def test_the_cloud_is_asked_under_the_keys_of_the_stack_file() -> None:
    request = cloud_request(read_settings(DEV_CONFIG), "dev")
    assert request.image == ("site.image", "debian-12")
    assert request.flavors == {"machines.manager": "s1.large", "machines.worker.flavor": "s1.large"}
    assert request.network is None
    assert request.volumes == {"hub state": "swarmhub-dev-state", "storage.size_gb": "swarmhub-dev-data"}
    assert request.volume_metadata == {"swarmhub_stack": "dev"}


def test_a_storage_machine_and_homes_elsewhere_change_what_the_cloud_is_asked() -> None:
    apart = cloud_request(read_settings(dev_config(machines__storage="s1.small")), "dev")
    assert apart.flavors["machines.storage"] == "s1.small"
    nowhere = cloud_request(read_settings(dev_config(storage={"kind": "none"})), "dev")
    assert list(nowhere.volumes) == ["hub state"]


def test_nfs_is_open_only_where_homes_are_held() -> None:
    def opened(**changes: Any) -> dict[str, set[int | None]]:
        network = dev_plan(**changes).network
        return {name: {each.port for each in getattr(network, name)} for name in ("members", "homes")}

    assert 2049 not in opened()["members"]
    assert opened()["homes"] == {2049}
    assert opened(machines__storage="s1.large")["homes"] == {22, 2049, None}
    assert opened(storage={"kind": "none"})["homes"] == set()
    assert opened(storage={"kind": "nfs", "server": "10.0.0.5", "export": "/srv/homes"})["homes"] == set()


DATA = "swarmhub-dev-data"


def kept(size_gb: int, *, attached: bool) -> dict[str, ExistingVolume]:
    return {DATA: ExistingVolume(id="data-id", size_gb=size_gb, attached=attached)}


def test_a_volume_in_use_grows_at_once() -> None:
    plan = dev_plan(volumes=kept(2, attached=True), storage__size_gb=5)
    assert plan.data is not None
    assert (plan.data.size_gb, plan.data.grows, plan.data.existing_id) == (5, True, "data-id")


def test_a_kept_volume_is_taken_up_as_it_is_and_grows_later() -> None:
    plan = dev_plan(volumes=kept(2, attached=False), storage__size_gb=5)
    assert plan.data is not None
    assert (plan.data.size_gb, plan.data.grows) == (2, False)


def test_the_state_volume_is_right_at_any_size() -> None:
    large = ExistingVolume(id="state-id", size_gb=4, attached=True)
    state = dev_plan(volumes={"swarmhub-dev-state": large}).state
    assert state is not None
    assert (state.size_gb, state.grows) == (4, False)


def test_only_machines_with_volumes_that_are_kept_are_shut_down_first() -> None:
    plan = dev_plan(machines__storage="s1.large", storage__keep_after_destroy=True)
    assert plan.storage is not None
    gently = {each.name: each.ends_gently for each in (plan.manager, plan.storage, *plan.workers)}
    assert gently == {"manager": True, "storage": True, "worker-1": False}
    assert dev_plan().manager.ends_gently is False
