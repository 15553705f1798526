"""Where the machines are."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from swarmhub.errors import Finding
from swarmhub.settings.keys import (
    ACCOUNT,
    FILE,
    NAME,
    NO_ENTRIES,
    ChangeEffect,
    Refused,
    address,
    flag,
    ipv4_network,
    key,
    list_of,
    mapping_of,
    nested,
    number,
    one_of,
    pattern,
    shown,
    text,
    whole_number,
)

# The swarm's overlay gives each server, the hub and the proxy one address.
OVERLAY_LARGEST_PREFIX = 22
# Every IPv4 host takes packets of 576 bytes (RFC 791); 9216 is what switches call jumbo.
SMALLEST_MTU_BYTES, LARGEST_MTU_BYTES = 576, 9216
URL = text("It is a URL such as http://proxy.example.org:3128", r"https?://[\w.:@%\[\]-]+/?")


class SiteKind(StrEnum):
    """Whose the machines are."""

    OPENSTACK = "openstack"
    EXISTING = "existing"


class PublicAddress(StrEnum):
    """How the manager comes to the address that students open, where none is given."""

    NEW = "new"
    DIRECT = "direct"


def public_address(value: Any) -> str:
    if value in tuple(PublicAddress):
        return str(value)
    try:
        return address(value)
    except Refused:
        raise Refused(
            f"{shown(value)} is neither a choice nor an address",
            "It is new (a floating IP is made), direct (the machines' network is public already), "
            "or the address of a floating IP that the project has, such as 192.0.2.53",
            "Choose one of these",
        ) from None


@dataclass(frozen=True, kw_only=True)
class BootVolume:
    """Disks of the machines as volumes, for flavors without a disk of their own."""

    size_gb: int = key(whole_number(4, 16_384), "Size of each disk in GB", change=ChangeEffect.NEXT_MACHINE)
    type: str | None = key(
        NAME,
        "Volume type of the disks; without it that of site.volume_type",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Price:
    """What the site charges, for the cost that `up` and `swarmhub doctor` show."""

    unit: str = key(
        text("It is a word such as SU or EUR", r"\S{1,12}"),
        "What the site counts in, such as SU",
        change=ChangeEffect.NOTHING,
    )
    per_vcpu_hour: float = key(
        number(0, 1_000_000),
        "Price of one virtual CPU for an hour, of flavors without a price of their own",
        change=ChangeEffect.NOTHING,
        default=0.0,
    )
    per_flavor_hour: Mapping[str, float] = key(
        mapping_of(number(0, 1_000_000)),
        "Price of one machine for an hour, by the flavor's name",
        change=ChangeEffect.NOTHING,
        default=NO_ENTRIES,
    )


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the machines are: what differs from one cloud to another, or to machines that exist."""

    kind: SiteKind = key(
        one_of(SiteKind),
        "Whether machines are made in an OpenStack cloud, or are there already: machines.hosts",
        change=ChangeEffect.NEXT_STACK,
        default=SiteKind.OPENSTACK,
    )
    ssh_user: str = key(ACCOUNT, "Account of the image that may use sudo", change=ChangeEffect.NOTHING)
    cloud: str | None = key(
        NAME,
        "Entry of clouds.yaml; without it the OS_* variables are used",
        change=ChangeEffect.NOTHING,
        default=None,
    )
    region: str | None = key(
        NAME,
        "Region of the cloud, where it has several and the credentials name none",
        change=ChangeEffect.NEXT_STACK,
        default=None,
    )
    image: str | None = key(
        NAME,
        "Name or id of the machines' image; of several with the name the newest",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )
    image_pattern: str | None = key(
        pattern,
        "Regular expression that the whole name of the image matches; the newest is taken",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )
    external_network: str | None = key(
        NAME,
        "External network that floating IPs come from and that a router is made to",
        change=ChangeEffect.NEXT_STACK,
        default=None,
    )
    network: str | None = key(
        NAME,
        "Existing network to put the machines on; without it a network is made",
        change=ChangeEffect.MACHINE,
        default=None,
    )
    subnet: str | None = key(
        NAME,
        "Subnet of the existing network, where it has several of IPv4",
        change=ChangeEffect.MACHINE,
        default=None,
    )
    router: str | None = key(
        NAME,
        "Existing router to connect the made network to; without it a router is made",
        change=ChangeEffect.NEXT_STACK,
        default=None,
    )
    public_address: str = key(
        public_address,
        "The address that students open: new, direct, or a floating IP that the project has",
        change=ChangeEffect.IN_PLACE,
        default=str(PublicAddress.NEW),
    )
    subnet_cidr: ipaddress.IPv4Network = key(
        ipv4_network(16, 28),
        "Addresses of the machines, when the network is made or the machines exist",
        change=ChangeEffect.MACHINE,
        default=ipaddress.IPv4Network("10.20.0.0/24"),
    )
    overlay_cidr: ipaddress.IPv4Network = key(
        ipv4_network(12, OVERLAY_LARGEST_PREFIX),
        "Addresses of the containers; /20 holds 4,000 servers",
        change=ChangeEffect.NEXT_SWARM,
        default=ipaddress.IPv4Network("10.80.0.0/20"),
    )
    mtu_bytes: int | None = key(
        whole_number(SMALLEST_MTU_BYTES, LARGEST_MTU_BYTES),
        "Largest packet of the machines' network, where the cloud or the machines report a wrong one; the "
        "containers' is 50 less",
        change=ChangeEffect.NEXT_SWARM,
        default=None,
    )
    dns_servers: tuple[str, ...] = key(
        list_of(address),
        "DNS servers of the machines, when the network is made; empty leaves the cloud's own",
        change=ChangeEffect.IN_PLACE,
        default=(),
    )
    admin_networks: tuple[ipaddress.IPv4Network, ...] = key(
        list_of(ipv4_network(0, 32), at_least=1),
        "Networks that may reach ssh on the manager",
        change=ChangeEffect.IN_PLACE,
        default=(ipaddress.IPv4Network("0.0.0.0/0"),),
    )
    extra_security_groups: tuple[str, ...] = key(
        list_of(NAME),
        "Security groups of the project that every machine gets too, such as one for monitoring",
        change=ChangeEffect.IN_PLACE,
        default=(),
    )
    boot_volume: BootVolume | None = key(
        nested,
        BootVolume.__doc__ or "",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
        section=BootVolume,
    )
    volume_type: str | None = key(
        NAME,
        "Volume type of a new data volume; without it the cloud's default",
        change=ChangeEffect.NEXT_VOLUME,
        default=None,
    )
    availability_zone: str | None = key(
        NAME,
        "Availability zone of the machines; without it the cloud chooses",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )
    volume_availability_zone: str | None = key(
        NAME,
        "Availability zone of a new data volume; without it the cloud chooses",
        change=ChangeEffect.NEXT_VOLUME,
        default=None,
    )
    scheduler_hints: Mapping[str, str] = key(
        mapping_of(NAME),
        "Hints for placing the machines, such as reservation: and a lease's id",
        change=ChangeEffect.NEXT_MACHINE,
        default=NO_ENTRIES,
    )
    http_proxy: str | None = key(
        URL,
        "HTTP proxy through which packages, images and certificates are fetched; students' servers have it "
        "as http_proxy in their environment, for which the hub restarts",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )
    registry_mirror: str | None = key(
        URL,
        "Mirror that the machines ask first for images of Docker Hub",
        change=ChangeEffect.NEXT_MACHINE,
        default=None,
    )
    name_server: str | None = key(
        address,
        "DNS server to ask for the hub's name, where the public DNS does not know it",
        change=ChangeEffect.NOTHING,
        default=None,
    )
    private_key_file: str | None = key(
        FILE,
        "Private key that existing machines admit; a .pub file stands for a key that ssh-agent holds. "
        "Without it the key that the stack makes for itself, in .state/ssh",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    known_hosts_file: str | None = key(
        FILE,
        "Where the host keys of existing machines are looked up that the stack file does not give",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    through_manager: bool = key(
        flag,
        "Whether ssh reaches the other existing machines through the manager",
        change=ChangeEffect.IN_PLACE,
        default=True,
    )
    price: Price | None = key(
        nested, Price.__doc__ or "", change=ChangeEffect.NOTHING, default=None, section=Price
    )

    def contradictions(self) -> list[Finding]:
        """Contradictions among the keys of the section."""
        if self.kind is SiteKind.EXISTING:
            return meaningless_keys(self, "site", self.kind, MADE_IN_A_CLOUD)
        findings = meaningless_keys(self, "site", self.kind, OF_EXISTING_MACHINES)
        if (self.image is None) == (self.image_pattern is None):
            findings.append(
                Finding(
                    where="site.image",
                    problem="it and site.image_pattern are both set" if self.image else "this key is missing",
                    rule="The image is given by name or id in site.image, or by site.image_pattern",
                    remedy="Remove one of the two" if self.image else "Set one of the two",
                )
            )
        floating = self.public_address == PublicAddress.NEW
        if self.external_network is None and (floating or (self.network is None and self.router is None)):
            findings.append(
                Finding(
                    where="site.external_network",
                    problem="this key is missing",
                    rule="A new floating IP comes from it, and a new router leads to it",
                    remedy="Set it, or set site.network with site.public_address: direct or a given address",
                )
            )
        findings += [
            Finding(
                where=f"site.{name}",
                problem=f"this key has no meaning {'with' if self.network else 'without'} site.network",
                remedy=f"Remove it, or {'remove' if self.network else 'set'} site.network",
            )
            for name, belongs_to_existing in (("router", False), ("subnet", True))
            if getattr(self, name) is not None and (self.network is not None) is not belongs_to_existing
        ]
        if self.public_address == PublicAddress.DIRECT and self.network is None:
            findings.append(
                Finding(
                    where="site.public_address",
                    problem="direct needs a network that is public already, and site.network is not set",
                    remedy="Set site.network to the public network, or site.public_address to new",
                )
            )
        return findings


# What stands for nothing where the machines are there already, and where they are not.
MADE_IN_A_CLOUD = (
    "cloud",
    "region",
    "image",
    "image_pattern",
    "external_network",
    "network",
    "subnet",
    "router",
    "public_address",
    "dns_servers",
    "admin_networks",
    "extra_security_groups",
    "boot_volume",
    "volume_type",
    "availability_zone",
    "volume_availability_zone",
    "scheduler_hints",
)
OF_EXISTING_MACHINES = ("private_key_file", "known_hosts_file", "through_manager")


def meaningless_keys(section: Any, path: str, kind: SiteKind, names: Iterable[str]) -> list[Finding]:
    """Findings for the keys of a section that are set although nothing obeys them with that kind of site."""
    defaults = {each.name: each.default for each in dataclasses.fields(section)}
    return [
        Finding(
            where=f"{path}.{name}",
            problem=f"this key has no meaning with site.kind: {kind}",
            remedy="Remove it, or set site.kind to another of " + ", ".join(SiteKind),
        )
        for name in names
        if getattr(section, name) not in (defaults[name], NO_ENTRIES)
    ]
