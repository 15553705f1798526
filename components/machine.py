"""A server made in a cloud, from its host key to a finished first boot. Not: what runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_openstack import compute, networking

from components.generated import generate_host_key
from components.network import Network
from components.release import release_volumes
from components.remote_host import Life, OperatorKey, RemoteHost
from swarmhub.plan import Machine as PlannedMachine
from swarmhub.plan import Plan, Role
from swarmhub.text import cloud_config


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """``public`` gives the machine the floating IP; ``through`` is the jump host of one that has none.

    ``holds_homes`` opens NFS on it.
    """

    plan: Plan
    machine: PlannedMachine
    network: Network
    keypair: compute.Keypair
    key: OperatorKey
    public: bool = False
    through: RemoteHost | None = None
    holds_homes: bool = False
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
    """``instance``, and what components.ground.Machine says."""

    def __init__(self, name: str, args: MachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("swarmhub:machine:Machine", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plan, machine, network = args.plan, args.machine, args.network
        self.plan = machine
        member = machine.role is not Role.STORAGE
        groups: list[pulumi.Input[str]] = [
            *([network.members.id] if member else []),
            *([network.entrance.id] if args.public else []),
            *([network.homes.id] if args.holds_homes and network.homes else []),
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
        floating_address = network.floating_address if args.public else None
        self.reached_at = floating_address or self.address
        released = (
            []
            if machine.role is Role.WORKER
            else [
                release_volumes(
                    f"{name}-release",
                    machine,
                    plan.ssh_user,
                    args.key,
                    self.reached_at,
                    host_key.public,
                    args.through,
                    self,
                )
            ]
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
            stop_before_destroy=machine.ends_gently,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*network.attached, *args.created_after, *released],
                replacement_trigger=machine.reinstall,
                # Name, address, port and volumes belong to one machine at a time.
                delete_before_replace=True,
                # A new image would rebuild the disk in place, the others would replace the machine.
                ignore_changes=[
                    "imageId",
                    "userData",
                    "keyPair",
                    "blockDevices",
                    "availabilityZone",
                    "schedulerHints",
                ],
                additional_secret_outputs=["userData"],
            ),
        )
        self.identity: pulumi.Output[str] = self.instance.id
        self.life = Life.of_server(name, machine.reinstall, self.instance, self)
        reachable_after: list[pulumi.Resource] = []
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
            life=self.life,
            reachable_after=reachable_after,
            through=args.through,
            size=machine.flavor_id,
        )
        self.register_outputs({"address": self.address})
