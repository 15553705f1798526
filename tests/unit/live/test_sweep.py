"""The sweep: only orphans of the one stack, used things last, no volume that may hold data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from openstack import exceptions as sdk

from live.sweep import RECORD_TYPE, SERVER, VOLUME_TYPE, sweep, without_pending_creations
from swarmhub.plan import resource_name

STACK = "dev"
# Other stacks', and nobody's.
NEIGHBOURS = ("swarmhub-dev2-manager", "swarmhub-dev-2-manager", "swarmhub-dev-manager-manager", "other")


class FakeCloud:
    """Lists of resources, and the order in which they were deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

        def some(*names: str) -> list[SimpleNamespace]:
            return [
                SimpleNamespace(id=f"{name}-id", name=name, status="ACTIVE", description="") for name in names
            ]

        def delete(each: Any) -> None:
            self.deleted.append(each.name or each.description)

        addresses = [
            SimpleNamespace(id="ip-id", name="172.24.4.50", description="swarmhub-dev-network-address")
        ]
        self.compute = SimpleNamespace(
            servers=lambda: some("swarmhub-dev-manager", *NEIGHBOURS),
            keypairs=lambda: [SimpleNamespace(id="kp", name="swarmhub-dev")],
            delete_server=delete,
            delete_keypair=delete,
            wait_for_delete=lambda *_, **__: None,
        )
        self.network = SimpleNamespace(
            ips=lambda: addresses,
            ports=lambda **_: some("swarmhub-dev-manager"),
            routers=lambda: some("swarmhub-dev-network-router"),
            subnets=list,
            networks=lambda is_router_external: some("swarmhub-dev-network"),
            security_groups=lambda: some("swarmhub-dev-network-members", "default"),
            delete_ip=lambda each: self.deleted.append(each.description),
            delete_port=delete,
            delete_router=delete,
            delete_network=delete,
            delete_security_group=delete,
            delete_subnet=delete,
            remove_interface_from_router=lambda *_, **__: None,
        )
        # No port of the router is an interface of ours here.
        self.network.ports = lambda device_id=None: [] if device_id else some("swarmhub-dev-manager")
        self.has_service = lambda name: bool(self.records)
        self.records: list[SimpleNamespace] = []
        self.dns = SimpleNamespace(
            zones=lambda: [SimpleNamespace(id="zone")],
            recordsets=lambda _zone: self.records,
            delete_recordset=lambda each, zone: self.deleted.append(f"{zone}/{each}"),
        )
        self.block_storage = SimpleNamespace(
            volumes=lambda: some("swarmhub-dev-data", "swarmhub-dev-state"),
            delete_volume=delete,
            wait_for_delete=lambda *_, **__: None,
        )


def export(*known: str, pending: tuple[str, ...] = ()) -> dict[str, Any]:
    operations = [
        {"type": "creating", "resource": {"type": VOLUME_TYPE, "inputs": {"name": each}}} for each in pending
    ]
    return {"deployment": {"resources": [{"id": each} for each in known], "pending_operations": operations}}


def test_orphans_go_in_the_order_of_use_and_others_stay() -> None:
    cloud = FakeCloud()
    sweep(cloud, export("swarmhub-dev-network-id"), STACK)
    assert cloud.deleted == [
        "swarmhub-dev-manager",
        "swarmhub-dev-network-address",
        "swarmhub-dev-manager",
        "swarmhub-dev-network-router",
        "swarmhub-dev-network-members",
        "swarmhub-dev",
    ]


def test_a_volume_is_kept_and_named_unless_it_was_being_created() -> None:
    kept, pending = FakeCloud(), FakeCloud()
    said = sweep(kept, export(), STACK)
    assert any(sentence.startswith("kept volume swarmhub-dev-data") for sentence in said)
    assert "swarmhub-dev-data" not in kept.deleted
    said = sweep(pending, export(pending=("swarmhub-dev-data",)), STACK)
    assert "swarmhub-dev-data" in pending.deleted
    # Of two volumes one was kept by an earlier destroy, and the creation of the other was cut off.
    assert any(sentence.startswith("kept volume swarmhub-dev-state") for sentence in said)
    assert "swarmhub-dev-state" not in pending.deleted


def test_a_dry_run_deletes_nothing() -> None:
    cloud = FakeCloud()
    said = sweep(cloud, export(), STACK, dry_run=True)
    assert cloud.deleted == []
    assert "would delete server swarmhub-dev-manager (swarmhub-dev-manager-id)" in said


def test_a_long_stacks_names_are_the_plans() -> None:
    stack = "s" * 80
    assert resource_name(stack, "worker-12") in SERVER.names(stack)
    assert all(len(name) <= 63 for name in SERVER.names(stack))


def test_pending_creations_are_taken_out_of_the_export() -> None:
    cleaned = without_pending_creations(export("a", pending=("swarmhub-dev-data",)))
    assert cleaned["deployment"] == {"resources": [{"id": "a"}], "pending_operations": []}


def test_a_record_is_known_by_its_description_and_by_pulumis_id() -> None:
    cloud = FakeCloud()
    cloud.records = [
        SimpleNamespace(id=name, zone_id="zone", name="hub.example.org.", description=description)
        for name, description in (
            ("orphan", "swarmhub-dev-network-address"),
            ("known", "swarmhub-dev-network-address"),
            ("another", "swarmhub-dev2-network-address"),
            ("undescribed", None),
        )
    ]
    sweep(cloud, with_a_record(export("zone/known")), STACK)
    assert [each for each in cloud.deleted if each.startswith("zone/")] == ["zone/orphan"]


def with_a_record(exported: dict[str, Any]) -> dict[str, Any]:
    """The export while a record was being made."""
    pending = {"type": "creating", "resource": {"type": RECORD_TYPE, "inputs": {}}}
    exported["deployment"]["pending_operations"].append(pending)
    return exported


def cloud_without_dns_answers() -> FakeCloud:
    def fail() -> None:
        raise sdk.SDKException("connection refused")

    cloud = FakeCloud()
    cloud.records = [SimpleNamespace()]
    cloud.dns.zones = fail
    return cloud


def test_a_dns_service_that_does_not_answer_is_nothing_to_a_stack_without_records() -> None:
    said = sweep(cloud_without_dns_answers(), export(), STACK)
    assert not [each for each in said if each.startswith("could not")]


def test_what_cannot_be_listed_is_said_and_keeps_nothing_else_from_being_deleted() -> None:
    cloud = cloud_without_dns_answers()
    said = sweep(cloud, with_a_record(export()), STACK)
    failed = [each for each in said if each.startswith("could not")]
    assert failed == ["could not list what the cloud has as DNS record: connection refused"]
    assert "swarmhub-dev" in cloud.deleted
