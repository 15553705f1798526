"""One server of the swarm, from its host key to a finished first boot. Not: what runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_openstack import compute, networking

from components.generated import generate_host_key
from components.network import Network
from components.remote_host import OperatorKey, RemoteHost
from swarmhub.plan import Machine as PlannedMachine
from swarmhub.plan import Plan
from swarmhub.text import cloud_config


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """``public`` gives the machine the floating IP; ``through`` is the jump host of one that has none."""

    plan: Plan
    machine: PlannedMachine
    network: Network
    keypair: compute.Keypair
    key: OperatorKey
    public: bool = False
    through: RemoteHost | None = None
    created_after: Sequence[pulumi.Resource] = ()


def boot_devices(plan: Plan) -> list[compute.InstanceBlockDeviceArgs] | None:
    """The disk as a volume that ends with its machine, or None for a disk of the flavor's own."""
    if plan.disk is None:
        return None
    return [
        compute.InstanceBlockDeviceArgs(
            source_type="image",
            uuid=plan.image_id,
            destination_type="volume",
            boot_index=0,
            volume_size=plan.disk.size_gb,
            volume_type=plan.disk.volume_type,
            delete_on_termination=True,
        )
    ]


class Machine(pulumi.ComponentResource):
    """``instance``, ``address`` inside the network, ``reached_at`` from outside, ``host`` to run steps on."""

    def __init__(self, name: str, args: MachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("swarmhub:machine:Machine", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plan, machine, network = args.plan, args.machine, args.network
        groups: list[pulumi.Input[str]] = [
            network.members.id,
            *([network.entrance.id] if args.public else []),
            *plan.extra_security_group_ids,
        ]
        port = networking.Port(
            f"{name}-port",
            name=machine.server_name,
            network_id=network.id,
            fixed_ips=[networking.PortFixedIpArgs(subnet_id=network.subnet_id)],
            security_group_ids=groups,
            opts=child,
        )
        self.address: pulumi.Output[str] = port.all_fixed_ips[0]
        host_key = generate_host_key(f"{name}-host-key", self)
        user_data = pulumi.Output.all(host_key.private, host_key.public).apply(
            lambda pair: cloud_config(plan, machine, network.subnet_cidr, *pair)
        )
        self.instance = compute.Instance(
            f"{name}-server",
            name=machine.server_name,
            flavor_id=machine.flavor_id,
            image_id=None if plan.disk else plan.image_id,
            block_devices=boot_devices(plan),
            availability_zone=plan.availability_zone,
            scheduler_hints=[
                compute.InstanceSchedulerHintArgs(additional_properties=dict(plan.scheduler_hints))
            ]
            if plan.scheduler_hints
            else None,
            key_pair=args.keypair.name,
            networks=[compute.InstanceNetworkArgs(port=port.id)],
            user_data=user_data,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*network.attached, *args.created_after],
                # A new image would rebuild the disk in place, the others would replace the machine.
                ignore_changes=[
                    "imageId",
                    "userData",
                    "keyPair",
                    "blockDevices",
                    "availabilityZone",
                    "schedulerHints",
                ],
                # Name, address and port belong to one machine at a time.
                delete_before_replace=True,
                additional_secret_outputs=["userData"],
            ),
        )
        reachable_after: list[pulumi.Resource] = []
        floating_address = network.floating_address if args.public else None
        self.reached_at = floating_address or self.address
        if floating_address:
            association = networking.FloatingIpAssociate(
                f"{name}-address",
                floating_ip=floating_address,
                port_id=port.id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(network.attached)),
            )
            reachable_after.append(association)
        self.host = RemoteHost(
            name,
            address=self.reached_at,
            user=plan.ssh_user,
            key=args.key,
            host_public_key=host_key.public,
            parent=self,
            lives_in=self.instance,
            reachable_after=reachable_after,
            through=args.through,
        )
        self.register_outputs({"address": self.address})
