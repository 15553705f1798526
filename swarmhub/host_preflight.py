"""Whether existing machines can take a plan: all findings at once."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping

from swarmhub.errors import Finding
from swarmhub.facts import CertificateFacts, Flavor, HostFacts, HostRequest, HostsRequest, HostSurvey
from swarmhub.plan import Plan
from swarmhub.preflight import (
    Report,
    check_addresses,
    check_certificate,
    check_end,
    check_people,
    check_seats,
    cost_of,
)

XFS = "xfs"


def check_hosts(
    plan: Plan,
    request: HostsRequest,
    survey: HostSurvey,
    now: datetime.datetime,
    certificate: CertificateFacts | None = None,
) -> Report:
    """Compare the plan with what the machines answered; ``now`` has a time zone."""
    asked = {each.where: each for each in request.hosts}
    known = {where: (asked[where], facts) for where, facts in survey.hosts.items()}
    flavors = _as_flavors(plan, known)
    seats_line, seats, seat_warnings, seat_failures = check_seats(plan, flavors)
    tls_passed, tls_warnings, tls_failures = check_certificate(plan, certificate, now)
    failures = [
        *survey.findings,
        *(finding for host, facts in known.values() for finding in _faults(host, facts, plan)),
        *_same_names(known),
        *tls_failures,
    ]
    ends = plan.settings.workshop.ends
    return Report(
        passed=(
            *(_describe(host, facts) for host, facts in known.values()),
            *([] if seat_failures or survey.findings else [seats_line]),
            *tls_passed,
        ),
        warnings=(
            *(finding for host, facts in known.values() for finding in _doubts(host, facts, plan)),
            *seat_warnings,
            *check_people(plan, flavors),
            *tls_warnings,
            *check_end(ends, now),
        ),
        failures=(*failures, *seat_failures, *check_addresses(plan)),
        cost=cost_of(plan, {flavor.name: flavor for flavor in flavors.values()}, now),
        seats=seats,
    )


def _as_flavors(plan: Plan, known: Mapping[str, tuple[HostRequest, HostFacts]]) -> dict[str, Flavor]:
    """Each machine as a size of its own, by address; one that did not answer has no memory."""
    sizes = {
        host.address: Flavor(
            id=host.address, name=host.address, vcpus=facts.vcpus, memory_mb=facts.memory_mb, disk_gb=0
        )
        for host, facts in known.values()
    }
    return {
        machine.flavor_id: sizes.get(
            machine.flavor_id,
            Flavor(id=machine.flavor_id, name=machine.flavor_id, vcpus=0, memory_mb=0, disk_gb=0),
        )
        for machine in plan.machines
    }


def _describe(host: HostRequest, facts: HostFacts) -> str:
    docker = f"Docker {facts.docker_version}" if facts.docker_version else "Docker is installed"
    return (
        f"{host.where}: {facts.hostname} at {host.address} "
        f"({facts.system}, {facts.vcpus} CPUs, {facts.memory_mb} MB, {docker})"
    )


def _faults(host: HostRequest, facts: HostFacts, plan: Plan) -> Iterator[Finding]:
    """What keeps the machine from its part."""

    def fault(problem: str, remedy: str, rule: str = "") -> Finding:
        return Finding(where=host.where, problem=problem, rule=rule, remedy=remedy)

    if facts.network_mtu is None:
        yield fault(
            f"{facts.hostname} has no interface with the address {host.address}",
            "Give the machine's own address in site.subnet_cidr",
            "An address that is translated on the way is public_address",
        )
    if not facts.runs_systemd:
        yield fault(f"{facts.hostname} does not run systemd", "Use Debian, Ubuntu or Rocky Linux")
    if not facts.installs_packages and not facts.docker_version:
        yield fault(f"{facts.hostname} has neither apt-get nor dnf", "Use Debian, Ubuntu or Rocky Linux")
    if facts.stack == plan.prefix:
        return
    if facts.stack:
        yield fault(
            f"{facts.hostname} is part of the stack {facts.stack} already",
            "Destroy that stack first, or give another machine",
        )
        return
    if facts.swarm_state not in ("", "inactive"):
        yield fault(
            f"{facts.hostname} is in a Docker swarm already ({facts.swarm_state})",
            "Give another machine, or have it leave: docker swarm leave --force",
        )
    for port, program in sorted(facts.busy_ports.items()):
        yield fault(
            f"port {port} of {facts.hostname} is taken by {program}",
            f"Stop {program} there, or give another machine",
        )
    if facts.state_of not in ("", plan.prefix) and host.role == "manager":
        yield fault(
            f"{facts.hostname} keeps the hub's state of the stack {facts.state_of}",
            "Use a stack of that name, or remove it there: sudo rm -r /var/lib/swarmhub",
        )
    if host.device:
        yield from _device_faults(host, facts)


def _device_faults(host: HostRequest, facts: HostFacts) -> Iterator[Finding]:
    where = "storage.device"
    if facts.device_holds is None:
        yield Finding(
            where=where,
            problem=f"{facts.hostname} has no block device {host.device}",
            remedy="See lsblk there, and ls -l /dev/disk/by-id",
        )
    elif facts.device_holds not in ("", XFS):
        yield Finding(
            where=where,
            problem=f"{host.device} of {facts.hostname} holds {facts.device_holds}",
            rule="Only a blank device or one with XFS is used",
            remedy="Give another, or empty this one by hand",
        )


def _doubts(host: HostRequest, facts: HostFacts, plan: Plan) -> Iterator[Finding]:
    """What may be in the way, or is not as asked."""
    for firewall in facts.firewalls:
        yield Finding(
            where=host.where,
            problem=f"{firewall} is active on {facts.hostname}",
            rule="The machines must reach each other, and all the world ports 80 and 443 of the manager",
            remedy=f"See that {firewall} lets that pass; it is not changed",
        )
    if host.directory and not facts.directory_has_quotas and plan.settings.storage.home_quota_gb:
        yield Finding(
            where="storage.home_quota_gb",
            problem=f"{host.directory} of {facts.hostname} is not on XFS that is mounted with pquota",
            rule="One home can fill it for all",
            remedy="Mount such a file system there, use kind: device, or set home_quota_gb to none",
        )


def _same_names(known: Mapping[str, tuple[HostRequest, HostFacts]]) -> list[Finding]:
    """Machines are told from each other by their host names."""
    times = Counter(facts.hostname for _, facts in known.values())
    return [
        Finding(
            where=host.where,
            problem=f"{times[facts.hostname]} of the machines are named {facts.hostname}",
            rule="The swarm tells them by their host names",
            remedy="Rename it there: sudo hostnamectl set-hostname another-name",
        )
        for host, facts in known.values()
        if times[facts.hostname] > 1
    ]
