"""Whether the cloud has room for a plan, and what it will cost: all findings at once."""

from __future__ import annotations

import datetime
import ipaddress
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from swarmhub import plan as planned
from swarmhub.errors import Finding
from swarmhub.facts import CertificateFacts, Flavor, ProjectContents, Survey
from swarmhub.plan import Plan
from swarmhub.settings import LONGEST_ADDRESS, MAX_WORKERS, Issuer, check_domain, check_zone
from swarmhub.sizing import (
    MEGABYTES_PER_GIGABYTE,
    hours_until_end_of,
    manager_for,
    price_per_hour,
    seats_per_worker,
    storage_gb,
    workers_for,
)

# Neutron gives every new security group a rule for what leaves, in IPv4 and in IPv6.
RULES_OF_A_NEW_GROUP = 2
EXPIRY_WARNING_DAYS = 7
# The network's own, the broadcast, the router's, and one or two of the network's DHCP servers.
ADDRESSES_OF_A_SUBNET = 5
# The network's own, the broadcast, the gateway's, nginx and the manager itself; hub and proxy twice, while
# they are replaced.
ADDRESSES_OF_A_HUB = 9
# Docker gives each machine one on the overlay, beside its anchor's.
ADDRESSES_OF_A_WORKER = 2
ROOMY_FACTOR = 2
# What each quota is called in a message, with its unit.
QUOTAS = {
    "instances": "instances",
    "cores": "CPUs",
    "memory_mb": "MB of memory",
    "volumes": "volumes",
    "volume_gb": "GB of volumes",
    "networks": "networks",
    "subnets": "subnets",
    "routers": "routers",
    "ports": "ports",
    "floating_ips": "floating IPs",
    "security_groups": "security groups",
    "security_group_rules": "rules of security groups",
}
ASK_FOR_MORE = {
    "instances": "Ask the cloud's operators for more, or lower machines.worker.count",
    "cores": "Ask the cloud's operators for more, lower machines.worker.count, or choose smaller flavors",
    "memory_mb": "Ask the cloud's operators for more, lower machines.worker.count, or choose smaller flavors",
    "volumes": "Delete volumes that are not needed, or ask the cloud's operators for more",
    "volume_gb": "Lower storage.size_gb, delete volumes that are not needed, or ask the operators for more",
    "networks": "Set site.network to an existing network, or delete one that is not needed",
    "subnets": "Set site.network to an existing network, or delete a subnet that is not needed",
    "routers": "Set site.router to an existing router or site.network to an existing network",
    "floating_ips": "Release one that is not needed, or set site.public_address to one that the project has",
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """``per_hour`` of all machines in ``unit``; ``total`` from now to the end of the workshop's last day."""

    unit: str
    per_hour: float
    ends: datetime.date | None
    total: float | None
    unpriced: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.per_hour:,.6g} {self.unit} per hour"
        if self.total is not None and self.ends:
            text += f", {self.total:,.0f} {self.unit} from now to the end of {self.ends}"
        if self.unpriced:
            text += f" (without {', '.join(self.unpriced)}, whose price the stack file does not say)"
        return text


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is sound, what is worth a look, and what stands in the way."""

    passed: tuple[str, ...]
    warnings: tuple[Finding, ...]
    failures: tuple[Finding, ...]
    cost: Cost | None
    seats: int


def still_to_make(plan: Plan, flavors: Mapping[str, Flavor], project: ProjectContents) -> dict[str, int]:
    """How much of each quota the plan takes beyond what the project holds under the plan's own names."""
    by_id = {flavor.id: flavor for flavor in flavors.values()}
    needs: Counter[str] = Counter()
    for machine in plan.machines:
        flavor = by_id[machine.flavor_id]
        there = project.servers.get(machine.server_name)
        # A machine whose flavor changes is resized: what it takes beyond what it has.
        needs["cores"] += max(0, flavor.vcpus - (there.vcpus if there else 0))
        needs["memory_mb"] += max(0, flavor.memory_mb - (there.memory_mb if there else 0))
        needs["instances"] += there is None
        needs["ports"] += machine.server_name not in project.ports
        if plan.disk and there is None:
            needs["volumes"] += 1
            needs["volume_gb"] += plan.disk.size_gb
    for name, size_gb in plan.volumes_gb.items():
        needs["volumes"] += name not in project.volumes_gb
        needs["volume_gb"] += max(0, size_gb - project.volumes_gb.get(name, 0))
    needs.update(_network_still_to_make(plan.network, project))
    return {name: needs[name] for name in QUOTAS}


def _network_still_to_make(network: planned.Network, project: ProjectContents) -> Counter[str]:
    needs: Counter[str] = Counter()
    if network.existing is None:
        needs["networks"] += network.name not in project.networks
        if planned.subnet_name(network) not in project.subnets:
            needs["subnets"] += 1
            # The router's own port, and the one of the network's DHCP server.
            needs["ports"] += 2
        if network.router_id is None:
            needs["routers"] += planned.router_name(network) not in project.routers
    if not network.direct and network.public_address is None:
        needs["floating_ips"] += planned.address_description(network) not in project.addresses
    for name, openings in network.groups.items():
        wanted = len(openings) + RULES_OF_A_NEW_GROUP
        needs["security_groups"] += name not in project.rules
        needs["security_group_rules"] += max(0, wanted - project.rules.get(name, 0))
    return needs


def _check_quotas(
    needs: Mapping[str, int], project: ProjectContents
) -> tuple[list[str], list[Finding], list[Finding]]:
    passed, warnings, failures = [], [], []
    unknown = [name for name in needs if name not in project.quotas]
    for name, needed in needs.items():
        usage = project.quotas.get(name)
        if usage is None:
            continue
        if usage.free is None or needed <= max(usage.free, 0) or needed == 0:
            room = "no limit" if usage.limit is None else f"{usage.free} of {usage.limit} are free"
            passed.append(f"quota of {QUOTAS[name]}: {needed} more needed, {room}")
            continue
        failures.append(
            Finding(
                where=f"quota of {QUOTAS[name]}",
                problem=f"{needed} more are needed, and {max(usage.free, 0)} of {usage.limit} are free",
                remedy=ASK_FOR_MORE.get(
                    name, "Delete what is not needed, or ask the cloud's operators for more"
                ),
            )
        )
    if unknown:
        warnings.append(
            Finding(
                where="quotas",
                problem=f"the cloud keeps them to itself for {', '.join(QUOTAS[name] for name in unknown)}",
                remedy="Look at its web pages",
            )
        )
    return passed, warnings, failures


def _check_size(plan: Plan) -> tuple[list[Finding], list[Finding]]:
    """Warnings and failures of a size that the volume for homes cannot have, or not yet."""
    wanted_gb, volume = plan.settings.storage.size_gb, plan.data
    if volume is None or volume.existing is None or wanted_gb is None:
        return [], []
    has_gb = volume.existing.size_gb
    if wanted_gb < has_gb:
        problem = f"the volume {volume.name} has {has_gb} GB and cannot shrink to {wanted_gb} GB"
        remedy = f"Set {planned.SIZE_KEY} to at least {has_gb}"
        finding = Finding(where=planned.SIZE_KEY, problem=problem, rule="A volume only grows", remedy=remedy)
        return [], [finding]
    if volume.size_gb == wanted_gb:
        return [], []
    problem = f"the volume {volume.name} was kept by an earlier destroy and is taken up with its {has_gb} GB"
    remedy = f"Run pulumi up once more to grow it to {wanted_gb} GB"
    return [Finding(where=planned.SIZE_KEY, problem=problem, remedy=remedy)], []


def _check_place(plan: Plan, project: ProjectContents) -> list[Finding]:
    """Homes in use move to no other machine: a volume is attached to one, and servers wait for the former."""
    volume = plan.data
    if volume is None or volume.existing is None or not volume.existing.attached:
        return []
    on_storage_machine = plan.storage_server_name in project.servers
    if on_storage_machine == (plan.storage is not None):
        return []
    holder, change = ("the storage machine", "Set") if on_storage_machine else ("the manager", "Remove")
    remedy = (
        f"{change} machines.storage as before; or, with storage.keep_after_destroy true at the last up, "
        "run pulumi destroy, then pulumi up"
    )
    return [
        Finding(
            where="machines.storage",
            problem=f"the volume {volume.name} is in use on {holder}",
            rule="Homes move between the manager and a storage machine only while the stack is down",
            remedy=remedy,
        )
    ]


def _check_credentials(
    survey: Survey, ends: datetime.date | None, now: datetime.datetime
) -> tuple[str, list[Finding], list[Finding]]:
    credentials = survey.credentials
    who = f"credentials: {credentials.user_name} in project {credentials.project_name}, by {credentials.kind}"
    end = credentials.expires_at
    if end is None:
        return who, [], []
    line = f"{who}, which expires on {end:%Y-%m-%d %H:%M} UTC"
    days = (end - now).total_seconds() / 86400
    remedy = "Make one that lasts longer, and put it into clouds.yaml or the OS_* variables"
    where = "credentials"
    if ends and end.date() <= ends:
        problem = f"the {credentials.kind} expires on {end:%Y-%m-%d}, and the workshop ends on {ends}"
        rule = "Changing and destroying the stack needs them"
        return line, [], [Finding(where=where, problem=problem, rule=rule, remedy=remedy)]
    if days < EXPIRY_WARNING_DAYS:
        problem = f"the {credentials.kind} expires in {days:.1f} days"
        return line, [Finding(where=where, problem=problem, remedy=remedy)], []
    return line, [], []


def check_seats(plan: Plan, flavors: Mapping[str, Flavor]) -> tuple[str, int, list[Finding], list[Finding]]:
    """What the workers seat, and contradictions between people and machines; ``flavors`` are by id.

    A memory of 0 stands for a flavor that is not there.
    """
    settings = plan.settings
    memory_gb = planned.largest_memory_gb(settings)
    of_workers = [flavors[worker.flavor_id] for worker in plan.workers]
    seats = [seats_per_worker(flavor.memory_mb, memory_gb) for flavor in of_workers]
    total = sum(seats)
    machines = _named_machines(of_workers)
    each = f"{seats[0]} each, " if len(set(seats)) == 1 else ""
    line = f"seats: {machines} seat {total} ({each}{memory_gb:g} GB a server)"
    if not all(flavor.memory_mb for flavor in of_workers):
        return line, total, [], []
    smallest = min(of_workers, key=lambda flavor: flavor.memory_mb)
    if not min(seats):
        problem = f"a {smallest.name} of {smallest.memory_mb} MB seats no server of {memory_gb:g} GB"
        remedy = f"Choose a larger {_workers_key(plan)}, or lower limits.memory_gb"
        return line, total, [], [Finding(where="limits.memory_gb", problem=problem, remedy=remedy)]
    users = settings.workshop.users
    if users is None:
        return line, total, [], []
    needed = workers_for(users, smallest.memory_mb, memory_gb) or 0
    if total < users:
        problem = f"{users} people do not fit on {machines}, which seat {total}"
        remedy = (
            "Add to machines.hosts.workers; or lower limits.memory_gb"
            if plan.manager.host
            else f"Set machines.worker.count to {needed}, or remove it; or lower limits.memory_gb"
        )
        return line, total, [], [Finding(where="workshop.users", problem=problem, remedy=remedy)]
    if len(plan.workers) >= ROOMY_FACTOR * needed and not plan.manager.host:
        problem = f"{machines} seat {total}, and workshop.users is {users}"
        remedy = f"machines.worker.count: {needed} would do"
        return line, total, [Finding(where="machines.worker.count", problem=problem, remedy=remedy)], []
    return line, total, [], []


def _workers_key(plan: Plan) -> str:
    return "machine" if plan.manager.host else "machines.worker.flavor"


def _named_machines(flavors: Sequence[Flavor]) -> str:
    """As ``3 x m3.large``; existing machines, which differ, are just counted."""
    names = {flavor.name for flavor in flavors}
    return f"{len(flavors)} x {names.pop()}" if len(names) == 1 else f"{len(flavors)} workers"


def check_people(plan: Plan, flavors: Mapping[str, Flavor]) -> list[Finding]:
    """Warnings of what people will outgrow: the volume for homes, the manager."""
    settings, users = plan.settings, plan.settings.workshop.users
    if users is None:
        return []
    findings = []
    quota_gb = settings.storage.home_quota_gb
    if plan.data and plan.data.size_gb < users * quota_gb:
        findings.append(
            Finding(
                where=planned.SIZE_KEY,
                problem=f"{users} homes of {quota_gb:g} GB hold {users * quota_gb:g} GB when they are full, "
                f"and the volume has {plan.data.size_gb} GB",
                remedy=f"Set it to {storage_gb(users, quota_gb)}, or remove it; "
                "or lower storage.home_quota_gb",
            )
        )
    manager = flavors[plan.manager.flavor_id]
    vcpus, memory_gb = manager_for(users)
    # Clouds call 7.5 GB what others call 8.
    if manager.memory_mb and manager.memory_mb < memory_gb * MEGABYTES_PER_GIGABYTE * 0.9:
        findings.append(
            Finding(
                where="machines.hosts.manager" if plan.manager.host else "machines.manager",
                problem=f"{manager.name} has {manager.memory_mb} MB of memory, and for {users} people "
                f"{vcpus} CPUs and {memory_gb} GB are advised",
                remedy="Give a larger machine" if plan.manager.host else "Choose a larger flavor",
            )
        )
    return findings


def check_addresses(plan: Plan) -> list[Finding]:
    """Whether machines and containers have room in their networks, and one hub serves so many workers."""
    findings = []
    overlay = ipaddress.IPv4Network(plan.overlay.cidr)
    existing = plan.network.existing
    if existing and ipaddress.IPv4Network(existing.subnet_cidr).overlaps(overlay):
        findings.append(
            Finding(
                where="site.overlay_cidr",
                problem=f"{overlay} overlaps the machines' network, {existing.subnet_cidr}",
                rule="Machines and containers have addresses of different networks",
                remedy="Give one that nobody there has, such as 172.30.0.0/20",
            )
        )
    workers = len(plan.workers)
    if workers > MAX_WORKERS:
        findings.append(
            Finding(
                where="workshop.users",
                problem=f"it takes {workers} workers, and one hub serves {MAX_WORKERS} at most",
                remedy="Choose a larger machines.worker.flavor, or make several stacks",
            )
        )
    machines = len(plan.machines)
    room = ipaddress.IPv4Network(plan.network.subnet_cidr).num_addresses - ADDRESSES_OF_A_SUBNET
    if existing is None and machines > room:
        findings.append(
            Finding(
                where="site.subnet_cidr",
                problem=f"{plan.network.subnet_cidr} has room for {room} machines, and there are {machines}",
                remedy="Make it larger; on a stack that is up, that replaces the machines",
            )
        )
    users = plan.settings.workshop.users or 0
    servers = overlay.num_addresses - ADDRESSES_OF_A_HUB - ADDRESSES_OF_A_WORKER * workers
    if users > servers:
        findings.append(
            Finding(
                where="site.overlay_cidr",
                problem=f"{overlay} has addresses for {max(servers, 0)} servers beside the hub's own and "
                f"those of {workers} workers, and workshop.users is {users}",
                remedy="Make it larger, such as 10.80.0.0/16",
            )
        )
    return findings


def _check_choice(plan: Plan) -> list[Finding]:
    """That a flavor of workers was found, where one was to be chosen."""
    if plan.settings.machines.worker.flavor or plan.workers[0].flavor_id:
        return []
    memory_gb = planned.largest_memory_gb(plan.settings)
    return [
        Finding(
            where="machines.worker.flavor",
            problem=f"no flavor of the cloud that the image fits seats a server of {memory_gb:g} GB",
            remedy="Lower limits.memory_gb, or set site.boot_volume where flavors have no disk",
        )
    ]


def _check_domain(plan: Plan) -> list[Finding]:
    """What is wrong with a name that the cloud had a part in."""
    hub = plan.settings.hub
    if hub.domain == plan.domain:
        return []
    return [
        *check_domain(plan.domain, plan.certificate.issuer, hub.domain),
        *check_zone(plan.domain, hub.dns_zone, hub.domain),
    ]


def covers(names: Collection[str], host: str) -> bool:
    """Whether a certificate for these names is one for the host, by itself or by a wildcard's first label."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def _orders_too_often(plan: Plan) -> list[Finding]:
    """A warning where each `destroy` throws away what the issuer gives five times a week."""
    if plan.certificate.issuer is not Issuer.LETSENCRYPT or plan.settings.storage.keep_after_destroy:
        return []
    problem = "every destroy deletes the certificate, and letsencrypt gives five a week for a name"
    remedy = "Keep the volumes, or set tls.issuer to letsencrypt-staging while you try"
    return [Finding(where="storage.keep_after_destroy", problem=problem, remedy=remedy)]


def check_certificate(
    plan: Plan, certificate: CertificateFacts | None, now: datetime.datetime
) -> tuple[list[str], list[Finding], list[Finding]]:
    """Whether the certificate files serve this hub until its end; a warning where there is no certificate."""
    if not plan.certificate.exists:
        problem = "without a certificate, passwords and all that students write travel in clear"
        remedy = "Set it to letsencrypt for more than a try on a network that you trust"
        return [], [Finding(where="tls.issuer", problem=problem, remedy=remedy)], []
    if certificate is None:
        return [], _orders_too_often(plan), []
    failures = list(certificate.findings)
    if certificate.begins is None or certificate.ends is None:
        return [], [], failures

    def finding(problem: str, remedy: str) -> Finding:
        return Finding(where="tls.certificate_file", problem=problem, remedy=remedy)

    another = "Get one that does"
    host = plan.domain_at(plan.network.public_address or LONGEST_ADDRESS)
    if plan.is_nameless and plan.network.public_address is None:
        problem = "the hub has no name, and which address it will have is not known before it is made"
        failures.append(finding(problem, "Set hub.domain, or site.public_address to a floating IP you have"))
    else:
        names = ", ".join(certificate.names) or "no name"
        failures += [
            finding(f"the certificate is for {names}, and does not cover {prefix}{host}", another)
            for prefix in plan.name_prefixes.values()
            if not covers(certificate.names, f"{prefix}{host}")
        ]
    begins, ends = certificate.begins, certificate.ends
    if now < begins:
        failures.append(finding(f"the certificate is not valid before {begins:%Y-%m-%d %H:%M} UTC", "Wait"))
    if ends <= now:
        failures.append(finding(f"the certificate expired on {ends:%Y-%m-%d}", "Get a new one"))
    if failures:
        return [], [], failures
    line = f"certificate: from files, for {', '.join(certificate.names)}, until {ends:%Y-%m-%d}"
    last_day = plan.settings.workshop.ends
    if last_day and ends.date() <= last_day:
        problem = f"the certificate expires on {ends:%Y-%m-%d}, and the workshop ends on {last_day}"
        remedy = "Get a new one before, and run pulumi up with it"
        return [line], [finding(problem, remedy)], []
    return [line], [], []


def cost_of(plan: Plan, flavors: Mapping[str, Flavor], now: datetime.datetime) -> Cost | None:
    """The cost of the plan's machines, or None when the stack file has no price."""
    price, ends = plan.settings.site.price, plan.settings.workshop.ends
    if price is None:
        return None
    by_id = {flavor.id: flavor for flavor in flavors.values()}
    of_machines = [by_id[machine.flavor_id] for machine in plan.machines]
    unpriced = {
        each.name
        for each in of_machines
        if not price.per_vcpu_hour and each.name not in price.per_flavor_hour
    }
    per_hour = sum(price_per_hour(price, each) for each in of_machines)
    return Cost(
        unit=price.unit,
        per_hour=per_hour,
        ends=ends,
        total=per_hour * hours_until_end_of(ends, now) if ends else None,
        unpriced=tuple(sorted(unpriced)),
    )


def check_end(ends: datetime.date | None, now: datetime.datetime) -> list[Finding]:
    """A warning when the workshop is over."""
    if ends is None or ends >= now.date():
        return []
    remedy = "Set it to the last day, or end the workshop: pulumi destroy"
    return [Finding(where="workshop.ends", problem=f"{ends} is over", remedy=remedy)]


def _what_was_chosen(plan: Plan, flavor: Flavor) -> list[str]:
    """What the program decided for the workshop's people."""
    settings, users = plan.settings, plan.settings.workshop.users
    lines = []
    if settings.machines.worker.flavor is None or (users and settings.machines.worker.count is None):
        size = f"{flavor.vcpus} CPUs, {flavor.memory_mb} MB"
        lines.append(
            f"machines.worker: chosen for {users} people: {len(plan.workers)} x {flavor.name} ({size})"
        )
    if plan.data and settings.storage.size_gb is None:
        quota_gb = settings.storage.home_quota_gb
        lines.append(
            f"{planned.SIZE_KEY}: reckoned: {users} x {quota_gb:g} GB + 10 % + 1 GB: {plan.data.size_gb}"
        )
    return lines


def check(
    plan: Plan, survey: Survey, now: datetime.datetime, certificate: CertificateFacts | None = None
) -> Report:
    """Compare the plan with all that the cloud answered; ``now`` has a time zone."""
    chosen = planned.worker_flavor(plan.settings, survey.facts)
    flavors = {**survey.facts.flavors, chosen.name: chosen}
    by_id = {flavor.id: flavor for flavor in flavors.values()}
    choice_failures = _check_choice(plan)
    ends = plan.settings.workshop.ends
    who, credential_warnings, credential_failures = _check_credentials(survey, ends, now)
    quota_passed, quota_warnings, quota_failures = _check_quotas(
        still_to_make(plan, flavors, survey.project), survey.project
    )
    seats_line, seats, seat_warnings, seat_failures = check_seats(plan, by_id)
    size_warnings, size_failures = _check_size(plan)
    tls_passed, tls_warnings, tls_failures = check_certificate(plan, certificate, now)
    place_failures = _check_place(plan, survey.project)
    return Report(
        passed=(
            *([] if credential_failures else [who]),
            *survey.passed,
            *quota_passed,
            *([] if seat_failures or choice_failures else [*_what_was_chosen(plan, chosen), seats_line]),
            *tls_passed,
        ),
        warnings=(
            *survey.warnings,
            *credential_warnings,
            *quota_warnings,
            *seat_warnings,
            *size_warnings,
            *check_people(plan, by_id),
            *tls_warnings,
            *check_end(ends, now),
        ),
        failures=(
            *survey.findings,
            *credential_failures,
            *size_failures,
            *place_failures,
            *quota_failures,
            *choice_failures,
            *seat_failures,
            *check_addresses(plan),
            *tls_failures,
            *_check_domain(plan),
        ),
        cost=cost_of(plan, flavors, now),
        seats=seats,
    )
