"""The recording mock, proven on a small component of its own."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_openstack as openstack
import pytest
from pulumi_command import remote

from tests.support.recording import UNKNOWN, UnexpectedToken, record


class Sample(pulumi.ComponentResource):
    """A port, a machine on it, and a command inside the machine."""

    def __init__(self, name: str, password: pulumi.Output[str]) -> None:
        super().__init__("swarmhub:sample:Sample", name)
        inside = pulumi.ResourceOptions(parent=self)
        port = openstack.networking.Port(f"{name}-port", network_id="net-id", opts=inside)
        machine = openstack.compute.Instance(
            f"{name}-vm",
            networks=[{"port": port.id}],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["imageId"]),
        )
        self.greeting = remote.Command(
            f"{name}-greet",
            connection=remote.ConnectionArgs(host=port.all_fixed_ips[0], user="debian"),
            create="cat",
            stdin=password,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[machine],
                deleted_with=machine,
                additional_secret_outputs=["stdout"],
                custom_timeouts=pulumi.CustomTimeouts(create="10m"),
            ),
        )
        self.register_outputs({"address": port.all_fixed_ips[0]})


def program() -> None:
    sample = Sample("one", pulumi.Config().require_secret("password"))
    pulumi.export("answer", sample.greeting.stdout)
    pulumi.export("password", pulumi.Output.secret("abc"))


CONFIG = {"password": "correct horse"}


def test_record_shows_what_the_engine_is_asked_for() -> None:
    graph = record(program, config=CONFIG, secret_keys=("swarmhub:password",))
    sample = graph.named("one")
    assert [child.name for child in graph.children(sample)] == ["one-port", "one-vm", "one-greet"]
    assert sample.parent == ""
    assert sample.outputs == {"address": "10.20.0.11"}

    machine = graph.named("one-vm")
    assert machine.inputs["networks"] == [{"port": "one-port-id"}]
    assert machine.ignore_changes == ("imageId",)
    assert machine.property_dependencies["networks"] == {graph.named("one-port").urn}

    greeting = graph.by_type("command:remote:Command")[0]
    assert greeting.inputs["stdin"] == "correct horse"
    assert "stdin" in greeting.secret_paths
    assert greeting.deleted_with == machine.urn
    assert greeting.custom_timeouts == {"create": "10m"}
    assert "stdout" in greeting.additional_secret_outputs
    assert graph.awaits(greeting, graph.named("one-port"))
    assert not graph.awaits(machine, greeting)
    assert graph.exports == {"answer": "", "password": "abc"}
    assert "password" in graph.secret_exports


def test_record_preview_knows_inputs_only() -> None:
    graph = record(program, preview=True, config=CONFIG)
    assert graph.named("one-vm").inputs["networks"] == [{"port": UNKNOWN}]
    assert graph.named("one-greet").inputs["connection"] is UNKNOWN
    assert graph.exports["answer"] is UNKNOWN


def test_record_runs_are_equal_and_leave_nothing_behind() -> None:
    first, second = (record(program, config=CONFIG) for _ in range(2))
    assert [r.aspects for r in first] == [r.aspects for r in second]


def test_record_refuses_unknown_types_and_invokes() -> None:
    def register_zone() -> None:
        openstack.dns.Zone("zone", name="example.org.")

    def ask_for_image() -> None:
        image: Any = openstack.images.get_image_output(name="debian-12")
        pulumi.export("image", image.id)

    with pytest.raises(UnexpectedToken, match=r"openstack:dns/zone:Zone \(zone\)"):
        record(register_zone)
    with pytest.raises(UnexpectedToken, match=r"getImage \(invoke\)"):
        record(ask_for_image)
    graph = record(
        ask_for_image, invokes={"openstack:images/getImage:getImage": lambda args: {"id": "image-7"}}
    )
    assert graph.exports == {"image": "image-7"}


def test_record_passes_the_programs_own_errors_on() -> None:
    with pytest.raises(ZeroDivisionError):
        record(lambda: 1 / 0)
