"""The example stack files: read, planned on a cloud as it plausibly is, checked, and recorded as a graph."""

from __future__ import annotations

import datetime
import functools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.remote_host import OperatorKey
from components.workshop import Workshop
from live.cloud import survey_cloud
from live.configuration import read_stack_file
from live.contexts import read_contexts
from swarmhub.host_preflight import check_hosts
from swarmhub.plan import Plan, cloud_request, hosts_request, make_plan, make_plan_on_hosts, name_prefix
from swarmhub.preflight import check
from swarmhub.settings import read_settings
from swarmhub.text import PROJECT_DIRECTORY
from tests.support.fake_cloud import FakeCloud, flavor, image, thing
from tests.support.recording import Graph, Recording
from tests.support.stacks import host_survey

SITES = PROJECT_DIRECTORY / "sites"
NOW = datetime.datetime(2027, 3, 1, 9, tzinfo=datetime.UTC)
KEY = OperatorKey(public="ssh-ed25519 AAAA operator", private="private", private_file="/keys/id_ed25519")
LARGE_QUOTAS: dict[str, Any] = {
    "compute_limits": {
        "maxTotalInstances": 30,
        "totalInstancesUsed": 0,
        "maxTotalCores": 150,
        "totalCoresUsed": 0,
        "maxTotalRAMSize": 1_000_000,
        "totalRAMUsed": 0,
    }
}


def external(name: str) -> SimpleNamespace:
    return thing(name, mtu=1500, external=True)


def internal(name: str, mtu: int) -> SimpleNamespace:
    return thing(name, mtu=mtu, external=False)


def subnet(name: str, network: str, cidr: str) -> SimpleNamespace:
    return thing(name, cidr=cidr, network_id=f"{network}-id")


CLOUDS: dict[str, dict[str, Any]] = {
    "jetstream2": {
        "images": [
            image("Featured-Ubuntu22"),
            image("Featured-Ubuntu24"),
            image("Featured-Ubuntu24", "2026-09-01"),
        ],
        "flavors": [flavor("m3.medium", 30720, 60, 8), flavor("m3.large", 61440, 60, 16)],
        "networks": [external("public"), internal("auto_allocated_network", 1450)],
        "subnets": [subnet("auto_allocated_subnet_v4", "auto_allocated_network", "10.0.64.0/18")],
        # What a project has: one router, and it is there already.
        "network_quotas": {"router": {"limit": 1, "used": 1}, "floatingip": {"limit": 10, "used": 1}},
    },
    "chameleon-kvm": {
        "images": [image("CC-Ubuntu24.04")],
        "flavors": [
            flavor("reservation:0f3c1d5e-6a77-4b43-9a53-1f0e7c6f7a01", 8192, 40, 4),
            flavor("reservation:5b8e9c60-2f0b-4d7e-8d52-9a4c3b2e1d02", 32768, 40, 16),
        ],
        "networks": [external("public")],
        "subnets": [],
    },
    "nectar": {
        "images": [
            image("NeCTAR Ubuntu 24.04 LTS (Noble) amd64"),
            image("NeCTAR Debian 12 (Bookworm) amd64"),
        ],
        "flavors": [flavor("m3.medium", 8192, 30, 4), flavor("m3.xlarge", 32768, 30, 16)],
        "networks": [internal("qh2-uom", 1500)],
        "subnets": [subnet("qh2-uom-v4", "qh2-uom", "115.146.84.0/22")],
        "zones": [thing("melbourne-qh2-uom", state={"available": True})],
    },
    "arbutus": {
        "images": [
            image("Ubuntu-24.04.2-Noble-x64-2025-02"),
            image("Ubuntu-24.04.3-Noble-x64-2025-09", "2026-09-01"),
        ],
        "flavors": [flavor("p4-6gb", 6144, 0, 4), flavor("p8-12gb", 12288, 0, 8)],
        "networks": [external("Public-Network"), internal("def-ada-prof-network", 1450)],
        "subnets": [subnet("def-ada-prof-subnet", "def-ada-prof-network", "192.168.177.0/24")],
        "volume_limits": {
            "maxTotalVolumes": 20,
            "totalVolumesUsed": 0,
            "maxTotalVolumeGigabytes": 2000,
            "totalGigabytesUsed": 0,
        },
    },
    "public-network": {
        "images": [image("debian-12")],
        "flavors": [flavor("m1.large", 8192, 80, 4), flavor("m1.xlarge", 16384, 160, 8)],
        "networks": [internal("public-net", 1500)],
        "subnets": [
            subnet("public-subnet-v4", "public-net", "192.0.2.0/24"),
            subnet("another-subnet-v4", "public-net", "203.0.113.0/24"),
        ],
        "volume_types": [thing("ssd")],
        "groups": [thing("monitoring", security_group_rules=[])],
    },
}


@functools.cache
def record(site: str, preview: bool = False) -> Graph:
    return recorded(examined(site)[0], preview)


def recorded(plan: Plan, preview: bool) -> Graph:
    outputs = {
        "command:local:Command": lambda name, _: {"stdout": "ssh-ed25519 KEY x\nprivate\n"},
        "command:remote:Command": lambda name, _: {"stdout": "SWMTKN-1-token"},
    }
    return Recording(outputs=outputs, preview=preview).run(lambda: Workshop("workshop", plan, KEY))


@functools.cache
def examined(site: str) -> Any:
    stack, sections = read_stack_file(SITES / f"Pulumi.{site}.yaml")
    settings = read_settings(sections)
    cloud = FakeCloud(**LARGE_QUOTAS | CLOUDS[site])
    survey = survey_cloud(cloud_request(settings, stack), name_prefix(stack), lambda _name, _region: cloud)
    contexts = read_contexts(settings.hub, settings.own_images)
    plan = make_plan(settings, survey.facts, stack, contexts=contexts)
    return plan, check(plan, survey, NOW)


def test_every_example_is_tried() -> None:
    sites = {*CLOUDS, "existing-machines"}
    assert {path.name for path in SITES.iterdir()} == {f"Pulumi.{site}.yaml" for site in sites}


def test_existing_machines_pass_and_have_the_same_graph_before_and_after() -> None:
    stack, sections = read_stack_file(SITES / "Pulumi.existing-machines.yaml")
    settings = read_settings(sections)
    survey = host_survey(sections, memory_mb=65536, vcpus=16, device_holds="")
    contexts = read_contexts(settings.hub, settings.own_images)
    plan = make_plan_on_hosts(settings, survey, stack, contexts=contexts)
    report = check_hosts(plan, hosts_request(settings, stack), survey, NOW)
    assert report.failures == report.warnings == ()
    assert report.seats >= (settings.workshop.users or 0)
    assert stack == "existing-machines"
    graphs = [recorded(plan, preview) for preview in (False, True)]
    assert {each.name for each in graphs[0]} == {each.name for each in graphs[1]}
    assert {"homes-quotas", "homes-mount", "worker-2-members"} <= {each.name for each in graphs[0]}


@pytest.mark.parametrize("site", CLOUDS)
def test_an_example_passes_and_has_the_same_graph_before_and_after(site: str) -> None:
    plan, report = examined(site)
    assert [str(failure) for failure in report.failures] == []
    users = plan.settings.workshop.users
    assert users <= report.seats < 2 * users + report.seats / len(plan.workers)
    graph, unknown = record(site), record(site, preview=True)
    assert {each.name for each in graph} == {each.name for each in unknown}
    assert len(graph.by_type("openstack:compute/instance:Instance")) == len(plan.workers) + 1


def test_jetstream2_makes_no_router_and_counts_service_units() -> None:
    plan, report = examined("jetstream2")
    assert [worker.name for worker in plan.workers] == ["worker-1", "worker-2", "worker-3"]
    assert plan.image_id == "Featured-Ubuntu24-2026-09-01"
    assert record("jetstream2").by_type("Router") == ()
    # 8 + 3 x 16 CPUs; 15 hours of the first day and four days more.
    assert str(report.cost) == "56 SU per hour, 6,216 SU from now to the end of 2027-03-05"


def test_the_lease_of_chameleon_gives_the_flavors() -> None:
    plan, _ = examined("chameleon-kvm")
    assert plan.manager.flavor_id.startswith("reservation:0f3c1d5e")


@pytest.mark.parametrize("site", ["nectar", "public-network"])
def test_public_networks_take_no_floating_ip(site: str) -> None:
    graph = record(site)
    assert graph.by_type("FloatingIp") == graph.by_type("Router") == ()


def test_zones_of_nectar_are_the_same_for_machines_and_volumes() -> None:
    graph = record("nectar")
    for each in (graph.named("manager-server"), graph.named("data-volume")):
        assert each.inputs["availabilityZone"] == "melbourne-qh2-uom"


def test_arbutus_boots_from_volumes_of_the_newest_image() -> None:
    plan, report = examined("arbutus")
    assert plan.image_id == "Ubuntu-24.04.3-Noble-x64-2025-09-2026-09-01"
    machines = len(plan.machines)
    assert f"quota of volumes: {machines + 2} more needed, 20 of 20 are free" in report.passed
    assert record("arbutus").named("worker-1-server").inputs["blockDevices"][0]["volumeSize"] == 40


@pytest.mark.parametrize("path", sorted(SITES.iterdir()), ids=lambda path: path.name)
def test_what_stands_in_comments_is_accepted_too(path: Path, tmp_path: Path) -> None:
    text, count = re.subn(r"^( +)# (?=[a-z_]+: )", r"\1", path.read_text(), flags=re.MULTILINE)
    assert count
    file = tmp_path / path.name
    file.write_text(text)
    _, sections = read_stack_file(file)
    assert read_settings(sections).hub.images.user


def test_comments_mark_what_is_to_be_changed() -> None:
    for path in SITES.iterdir():
        text = Path(path).read_text()
        for line in text.splitlines():
            if any(word in line for word in ("ada]", "ada@", "198.51.100", "users:", "ends:")):
                assert "CHANGE" in line, f"{path.name}: {line}"
