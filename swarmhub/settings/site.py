"""Where the machines are."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from swarmhub.settings.keys import ACCOUNT, NAME, ChangeEffect, address, ipv4_network, key, list_of

# The swarm's overlay gives each server, the hub and the proxy one address.
OVERLAY_LARGEST_PREFIX = 22


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the machines are: what differs from one OpenStack cloud to another."""

    external_network: str = key(
        NAME, "External network that floating IPs come from", change=ChangeEffect.MACHINE
    )
    image: str = key(NAME, "Name or id of the machines' image", change=ChangeEffect.NOTHING)
    ssh_user: str = key(ACCOUNT, "Account of the image that may use sudo", change=ChangeEffect.NOTHING)
    cloud: str | None = key(
        NAME,
        "Entry of clouds.yaml; without it the OS_* variables are used",
        change=ChangeEffect.NOTHING,
        default=None,
    )
    network: str | None = key(
        NAME,
        "Existing network to put the machines on; without it a network and a router are made",
        change=ChangeEffect.MACHINE,
        default=None,
    )
    subnet_cidr: ipaddress.IPv4Network = key(
        ipv4_network(16, 28),
        "Addresses of the machines, when the network is made",
        change=ChangeEffect.MACHINE,
        default=ipaddress.IPv4Network("10.20.0.0/24"),
    )
    overlay_cidr: ipaddress.IPv4Network = key(
        ipv4_network(12, OVERLAY_LARGEST_PREFIX),
        "Addresses of the containers; /20 holds 4,000 servers",
        change=ChangeEffect.RESTART,
        default=ipaddress.IPv4Network("10.80.0.0/20"),
    )
    dns_servers: tuple[str, ...] = key(
        list_of(address),
        "DNS servers of the machines; empty leaves the cloud's own",
        change=ChangeEffect.IN_PLACE,
        default=(),
    )
    admin_networks: tuple[ipaddress.IPv4Network, ...] = key(
        list_of(ipv4_network(0, 32), at_least=1),
        "Networks that may reach ssh on the manager",
        change=ChangeEffect.IN_PLACE,
        default=(ipaddress.IPv4Network("0.0.0.0/0"),),
    )
    name_server: str | None = key(
        address,
        "DNS server to ask for the hub's name, where the public DNS does not know it",
        change=ChangeEffect.NOTHING,
        default=None,
    )
