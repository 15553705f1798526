"""The machines' network, what may enter it, and the public address. Not: the machines' ports."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_openstack import networking

from swarmhub import plan as planned


class Network(pulumi.ComponentResource):
    """``members``, ``entrance`` and ``homes`` are security groups.

    ``floating_address`` is None without a floating IP.
    """

    def __init__(self, name: str, plan: planned.Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("swarmhub:network:Network", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.attached: Sequence[pulumi.Resource] = ()
        self.subnet_cidr = plan.subnet_cidr
        if plan.existing:
            self.id = pulumi.Output.from_input(plan.existing.id)
            self.subnet_id = pulumi.Output.from_input(plan.existing.subnet_id)
            self.mtu = pulumi.Output.from_input(plan.mtu_bytes or plan.existing.mtu)
        else:
            self._make(name, plan)
        self.members = self._group(
            f"{name}-members", planned.members_name(plan), "Machines of the swarm, among themselves"
        )
        for opening in plan.members:
            self._open(f"{name}-members-{opening.name}", self.members, opening)
        self.entrance = self._group(
            f"{name}-entrance", planned.entrance_name(plan), "What the manager answers to outside"
        )
        for opening in plan.entrance:
            self._open(f"{name}-entrance-{opening.name}", self.entrance, opening)
        self.homes: networking.SecGroup | None = None
        if plan.homes:
            self.homes = self._group(
                f"{name}-homes",
                planned.homes_name(plan),
                "What the machine with the homes answers to in the swarm",
            )
            for opening in plan.homes:
                self._open(f"{name}-homes-{opening.name}", self.homes, opening)
        self.floating_address = None if plan.direct else self._floating_address(name, plan)
        self.register_outputs({"id": self.id})

    def _floating_address(self, name: str, plan: planned.Network) -> pulumi.Output[str]:
        if plan.public_address:
            return pulumi.Output.from_input(plan.public_address)
        floating_ip = networking.FloatingIp(
            f"{name}-address",
            pool=plan.external_network,
            # A floating IP has no name: the description tells whose it is.
            description=planned.address_description(plan),
            opts=self._child,
        )
        return floating_ip.address

    def _make(self, name: str, plan: planned.Network) -> None:
        network = networking.Network(f"{name}-network", name=plan.name, mtu=plan.mtu_bytes, opts=self._child)
        subnet = networking.Subnet(
            f"{name}-subnet",
            name=planned.subnet_name(plan),
            network_id=network.id,
            cidr=plan.subnet_cidr,
            dns_nameservers=list(plan.dns_servers),
            opts=self._child,
        )
        router_id: pulumi.Input[str]
        if plan.router_id:
            router_id = plan.router_id
        else:
            router_id = networking.Router(
                f"{name}-router",
                name=planned.router_name(plan),
                external_network_id=plan.external_network_id,
                opts=self._child,
            ).id
        interface = networking.RouterInterface(
            f"{name}-router-interface", router_id=router_id, subnet_id=subnet.id, opts=self._child
        )
        self.id, self.subnet_id, self.mtu = network.id, subnet.id, network.mtu
        self.attached = (interface,)

    def _group(self, name: str, physical_name: str, description: str) -> networking.SecGroup:
        return networking.SecGroup(name, name=physical_name, description=description, opts=self._child)

    def _open(self, name: str, group: networking.SecGroup, opening: planned.Opening) -> None:
        networking.SecGroupRule(
            name,
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=opening.protocol,
            port_range_min=opening.port,
            port_range_max=opening.port,
            remote_ip_prefix=str(opening.source) if opening.source else None,
            remote_group_id=None if opening.source else self.members.id,
            opts=self._child,
        )
