"""What must be said of machines and homes, by whose the machines are: rules across sections."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

from swarmhub.errors import Finding
from swarmhub.settings.domain import known_by_cloud
from swarmhub.settings.machines import Hosts, Machines, Reinstall, Workers
from swarmhub.settings.site import SiteKind
from swarmhub.settings.storage import SERVED, StorageKind

if TYPE_CHECKING:
    from swarmhub.settings.reading import Settings

# Where homes can be, by whose the machines are.
STORAGE_OF = {
    SiteKind.OPENSTACK: (StorageKind.VOLUME, StorageKind.NFS, StorageKind.NONE),
    SiteKind.EXISTING: (StorageKind.DEVICE, StorageKind.DIRECTORY, StorageKind.NFS, StorageKind.NONE),
}


def check_provision(settings: Settings) -> list[Finding]:
    """What is missing, and what has no meaning, with this kind of site."""
    kind, storage = settings.site.kind, settings.storage
    findings = _check_made(settings) if kind is SiteKind.OPENSTACK else _check_existing(settings)
    if storage.kind not in STORAGE_OF[kind]:
        findings.append(
            Finding(
                where="storage.kind",
                problem=f"{storage.kind} is not possible with site.kind: {kind}",
                remedy=f"Choose one of {', '.join(STORAGE_OF[kind])}",
            )
        )
    return findings


def _missing(where: str, what: str) -> Finding:
    return Finding(where=where, problem="this key is missing", remedy=f"Set it: {what}")


def _check_made(settings: Settings) -> list[Finding]:
    machines, storage = settings.machines, settings.storage
    findings = []
    if machines.manager is None:
        findings.append(_missing("machines.manager", "flavor of the manager"))
    if machines.worker.flavor is None and settings.workshop.users is None:
        findings.append(
            _missing(
                "machines.worker.flavor",
                "flavor of each worker; or set workshop.users, and one is chosen that seats them",
            )
        )
    if machines.hosts is not None:
        findings.append(_meaningless("machines.hosts", SiteKind.OPENSTACK))
    if storage.kind is StorageKind.VOLUME and storage.size_gb is None and not homes_have_sizes(settings):
        findings.append(
            Finding(
                where="storage.size_gb",
                problem="this key is missing",
                rule=f"storage.kind is {storage.kind}",
                remedy="Set it, or set workshop.users, and it is reckoned with storage.home_quota_gb, "
                "or set storage.kind to another of " + ", ".join(STORAGE_OF[SiteKind.OPENSTACK]),
            )
        )
    return findings


def homes_have_sizes(settings: Settings) -> bool:
    """Whether people and quotas say how large the volume for homes has to be."""
    return settings.workshop.users is not None and settings.storage.home_quota_gb > 0


def _meaningless(where: str, kind: SiteKind) -> Finding:
    return Finding(
        where=where,
        problem=f"this key has no meaning with site.kind: {kind}",
        remedy="Remove it, or set site.kind to another of " + ", ".join(SiteKind),
    )


def _check_existing(settings: Settings) -> list[Finding]:
    machines = settings.machines
    unused = {
        "manager": machines.manager is not None,
        "worker": machines.worker != Workers(),
        "storage": machines.storage is not None,
        "reinstall": machines.reinstall != Reinstall(),
    }
    findings = [_meaningless(f"machines.{name}", SiteKind.EXISTING) for name in unused if unused[name]]
    if settings.hub.dns_zone is not None:
        findings.append(_meaningless("hub.dns_zone", SiteKind.EXISTING))
    if known_by_cloud(settings.hub.domain):
        findings.append(
            Finding(
                where="hub.domain",
                problem=f"{settings.hub.domain!r} stands for a name that a cloud has, and there is no cloud",
                remedy="Give the name itself",
            )
        )
    if settings.storage.protect:
        findings.append(_meaningless("storage.protect", SiteKind.EXISTING))
    if machines.hosts is None:
        return [*findings, _missing("machines.hosts", "the machines, as manager and workers")]
    return findings + _check_hosts(machines.hosts, settings)


def _check_hosts(hosts: Hosts, settings: Settings) -> list[Finding]:
    site = settings.site
    times = Counter(each.address for each in hosts.all.values())
    findings = []
    for where, host in hosts.all.items():
        if times[host.address] > 1:
            findings.append(
                Finding(
                    where=f"{where}.address",
                    problem=f"{host.address} is given {times[host.address]} times",
                    rule="Each machine has one part",
                    remedy="Give another machine",
                )
            )
        if ipaddress.IPv4Address(host.address) not in site.subnet_cidr:
            findings.append(
                Finding(
                    where="site.subnet_cidr",
                    problem=f"{where}.address {host.address} is not in {site.subnet_cidr}",
                    rule="It is the network that the machines are on",
                    remedy="Set it to that network, such as 10.1.0.0/24",
                )
            )
        if host.host_key is None and site.known_hosts_file is None:
            findings.append(
                Finding(
                    where=f"{where}.host_key",
                    problem="this key is missing",
                    rule="No host key is taken on trust",
                    remedy="Set it to the machine's /etc/ssh/ssh_host_ed25519_key.pub, or set "
                    "site.known_hosts_file",
                )
            )
    return findings


def check_storage_machine(settings: Settings) -> list[Finding]:
    """A machine for homes is of use where the stack serves them."""
    machines, kind = settings.machines, settings.storage.kind
    if kind in SERVED:
        return []
    given = {
        "machines.storage": machines.storage is not None,
        "machines.hosts.storage": machines.hosts is not None and machines.hosts.storage is not None,
    }
    served = " or ".join(each for each in STORAGE_OF[settings.site.kind] if each in SERVED)
    return [
        Finding(
            where=where,
            problem=f"this key has no meaning with storage.kind: {kind}",
            rule=f"It belongs to kind: {served}",
            remedy=f"Remove it, or set storage.kind to {served}",
        )
        for where in given
        if given[where]
    ]


def has_hosts(machines: Machines) -> Hosts:
    """The existing machines, which settings that were accepted have with that kind of site."""
    if machines.hosts is None:
        raise ValueError("settings without machines were accepted")
    return machines.hosts
