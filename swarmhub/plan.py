"""Settings and the cloud's facts to a plan: machines, names, open ports. Components decide nothing."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from enum import StrEnum

from swarmhub.facts import CloudFacts, CloudRequest, Endpoints, ExistingNetwork, LoginFacts
from swarmhub.roster import Person
from swarmhub.settings import ADDRESS_PLACEHOLDER, DIRECTORY_URLS, LoginKind, Settings, Tls

# VXLAN, the overlay's encapsulation, takes this much of every packet (RFC 7348 over IPv4).
VXLAN_OVERHEAD_BYTES = 50
# OpenStack accepts 255 characters in a name; a keypair's name is the shortest of the resources' (nova: 255).
# The limit here keeps server names usable as host names (RFC 1123).
NAME_MAX_CHARACTERS = 63

SSH_PORT = 22
SWARM_CONTROL_PORT = 2377
SWARM_GOSSIP_PORT = 7946
VXLAN_PORT = 4789
NFS_PORT = 2049

MOUNT_POINT = "/var/nfs"
HOMES_DIRECTORY = f"{MOUNT_POINT}/homes"
HUB_STATE_DIRECTORY = f"{MOUNT_POINT}/hub"
SHARED_DIRECTORY = f"{MOUNT_POINT}/shared"
QUOTA_STATE_DIRECTORY = f"{MOUNT_POINT}/quota"
FRONT_DOOR_STATE_DIRECTORY = f"{MOUNT_POINT}/front-door"
FRONT_DOOR_CONFIG_DIRECTORY = "/etc/swarmhub/front-door"
CHALLENGE_DIRECTORY = "/var/lib/swarmhub/acme-challenge"
# Every jupyter docker-stacks image and images/user run as this account.
HOME_OWNER_ID = 1000
HOME_MOUNT_OPTIONS = "nfsvers=4.2,proto=tcp,hard,noatime"
# Not in the home: the mount point would have to be made there by root, whom the NFS server lets into no home.
SHARED_MOUNT_PATH = "/shared"
SHARED_WRITERS_GROUP = "instructors"
PROBE_USER = "swarmhub-probe"
NO_LOGIN_FACTS = LoginFacts()
# Nobody sees it: there is no choice.
ONLY_ENVIRONMENT = "only"


class Role(StrEnum):
    """What a machine does in the swarm."""

    MANAGER = "manager"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One server: ``name`` inside the stack and as host name, ``server_name`` in the project."""

    name: str
    server_name: str
    role: Role
    flavor_id: str


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One ingress rule. ``source`` is a network, or None for the members of the swarm."""

    name: str
    protocol: str
    port: int | None
    source: ipaddress.IPv4Network | None


@dataclass(frozen=True, kw_only=True)
class Network:
    """The machines' network; ``existing`` is set when it is not ours to make."""

    name: str
    external_network: str
    external_network_id: str
    subnet_cidr: str
    dns_servers: tuple[str, ...]
    existing: ExistingNetwork | None
    members: tuple[Opening, ...]
    entrance: tuple[Opening, ...]


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The containers' network."""

    name: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a student's server may be started as."""

    name: str
    description: str
    image: str
    memory_gb: float
    cpus: float


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How the hub's certificate is got."""

    email: str
    directory_url: str
    directory_ca_file: str | None
    trusted_ca_file: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided before the first resource is made."""

    prefix: str
    image_id: str
    ssh_user: str
    network: Network
    overlay: Overlay
    manager: Machine
    workers: tuple[Machine, ...]
    volume_name: str
    volume_size_gb: int
    domain: str
    name_server: str | None
    certificate: Certificate
    settings: Settings
    environments: tuple[Environment, ...]
    people: tuple[Person, ...] = ()
    endpoints: Endpoints | None = None

    def domain_at(self, address: str) -> str:
        """The hub's host name once its public address is known."""
        return self.domain.replace(ADDRESS_PLACEHOLDER, address.replace(".", "-"))


def overlay_mtu(network_mtu_bytes: int) -> int:
    """The overlay's largest packet: with its encapsulation it fits the network (libnetwork #1021)."""
    return network_mtu_bytes - VXLAN_OVERHEAD_BYTES


def resource_name(stack: str, what: str) -> str:
    """The name of a resource in the project; the stack's name is shortened, never the resource's.

    Without ``what`` it is the name of the stack's one keypair.
    """
    end = f"-{what}" if what else ""
    room = NAME_MAX_CHARACTERS - len(f"swarmhub-{end}")
    return f"swarmhub-{stack[:room].rstrip('-')}{end}"


def _member_openings() -> tuple[Opening, ...]:
    def among_members(name: str, protocol: str, port: int | None) -> Opening:
        return Opening(name=name, protocol=protocol, port=port, source=None)

    return (
        among_members("ssh", "tcp", SSH_PORT),
        among_members("swarm-control", "tcp", SWARM_CONTROL_PORT),
        among_members("swarm-gossip-tcp", "tcp", SWARM_GOSSIP_PORT),
        among_members("swarm-gossip-udp", "udp", SWARM_GOSSIP_PORT),
        among_members("overlay", "udp", VXLAN_PORT),
        among_members("nfs", "tcp", NFS_PORT),
        # Path MTU discovery between the machines.
        among_members("icmp", "icmp", None),
    )


def _entrance_openings(settings: Settings) -> tuple[Opening, ...]:
    anywhere = ipaddress.IPv4Network("0.0.0.0/0")
    web = tuple(
        Opening(name=name, protocol="tcp", port=port, source=anywhere)
        for name, port in (("http", 80), ("https", 443))
    )
    ssh = tuple(
        Opening(name=f"ssh-{index}", protocol="tcp", port=SSH_PORT, source=source)
        for index, source in enumerate(settings.site.admin_networks, start=1)
    )
    return web + ssh


def _certificate(tls: Tls) -> Certificate:
    return Certificate(
        email=tls.email,
        directory_url=tls.directory_url or DIRECTORY_URLS[tls.issuer],
        directory_ca_file=tls.directory_ca_file,
        trusted_ca_file=tls.trusted_ca_file,
    )


def configured_quotas_gb(settings: Settings) -> dict[str, float]:
    """The quotas that the stack file gives to persons, by user name in GB; 0 is no quota.

    A person's own outranks the groups'; of several groups' the largest counts.
    """
    overrides = settings.storage.quota_overrides
    members = dict(settings.hub.groups)
    quotas: dict[str, float] = {}
    for group, quota_gb in overrides.groups:
        for member in members[group]:
            quotas[member] = max(quotas.get(member, quota_gb), quota_gb, key=lambda gb: gb or math.inf)
    return {**quotas, **dict(overrides.users)}


def cloud_request(settings: Settings) -> CloudRequest:
    """The names that only the cloud can say something of, each with its config key."""
    site, machines = settings.site, settings.machines
    return CloudRequest(
        cloud=site.cloud,
        image=("site.image", site.image),
        flavors={"machines.manager": machines.manager, "machines.worker.flavor": machines.worker.flavor},
        external_network=("site.external_network", site.external_network),
        network=("site.network", site.network) if site.network else None,
    )


def list_environments(settings: Settings) -> tuple[Environment, ...]:
    """What students may choose from, the default first."""
    hub, limits = settings.hub, settings.limits
    if hub.images.user:
        return (
            Environment(
                name=ONLY_ENVIRONMENT,
                description="",
                image=hub.images.user,
                memory_gb=limits.memory_gb,
                cpus=limits.cpus,
            ),
        )
    return tuple(
        Environment(
            name=each.name,
            description=each.description or "",
            image=each.image,
            memory_gb=each.memory_gb or limits.memory_gb,
            cpus=each.cpus or limits.cpus,
        )
        for each in sorted(hub.environments, key=lambda each: not each.default)
    )


def roster_of(settings: Settings, listed: tuple[Person, ...]) -> tuple[Person, ...]:
    """Who gets a password: the people of the roster file and the administrators, in this order."""
    if settings.hub.login.kind is not LoginKind.ROSTER:
        return ()
    users = {person.user for person in listed}
    return listed + tuple(Person(user=admin) for admin in settings.hub.admins if admin not in users)


def make_plan(settings: Settings, facts: CloudFacts, stack: str, login: LoginFacts = NO_LOGIN_FACTS) -> Plan:
    """Expand a stack's settings into the whole deployment, with the ids that the cloud gave for its names."""
    site, machines = settings.site, settings.machines
    worker_flavor_id = facts.flavors[machines.worker.flavor].id
    manager = Machine(
        name="manager",
        server_name=resource_name(stack, "manager"),
        role=Role.MANAGER,
        flavor_id=facts.flavors[machines.manager].id,
    )
    workers = tuple(
        Machine(
            name=f"worker-{number}",
            server_name=resource_name(stack, f"worker-{number}"),
            role=Role.WORKER,
            flavor_id=worker_flavor_id,
        )
        for number in range(1, machines.worker.count + 1)
    )
    existing = facts.network
    network = Network(
        name=resource_name(stack, "network"),
        external_network=site.external_network,
        external_network_id=facts.external_network_id,
        subnet_cidr=existing.subnet_cidr if existing else str(site.subnet_cidr),
        dns_servers=site.dns_servers,
        existing=existing,
        members=_member_openings(),
        entrance=_entrance_openings(settings),
    )
    return Plan(
        prefix=resource_name(stack, ""),
        image_id=facts.image_id,
        ssh_user=site.ssh_user,
        network=network,
        overlay=Overlay(name="hub", cidr=str(site.overlay_cidr)),
        manager=manager,
        workers=workers,
        volume_name=resource_name(stack, "data"),
        volume_size_gb=settings.storage.size_gb,
        domain=settings.hub.domain,
        name_server=site.name_server,
        certificate=_certificate(settings.tls),
        settings=settings,
        environments=list_environments(settings),
        people=roster_of(settings, login.people),
        endpoints=login.endpoints,
    )
