"""Settings and the cloud's facts to a plan: machines, names, open ports. Components decide nothing."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from swarmhub.context import NO_CONTEXTS, Context, Contexts
from swarmhub.facts import (
    CloudFacts,
    CloudRequest,
    Endpoints,
    ExistingNetwork,
    ExistingVolume,
    Flavor,
    HostFacts,
    HostRequest,
    HostsRequest,
    HostSurvey,
    LoginFacts,
)
from swarmhub.roster import Person
from swarmhub.settings import (
    ADDRESS_PLACEHOLDER,
    BARE_ADDRESS,
    DIRECTORY_URLS,
    INSTANCE_PLACEHOLDER,
    PROJECT_PLACEHOLDER,
    SERVED,
    Host,
    Issuer,
    LoginKind,
    PublicAddress,
    Settings,
    StorageKind,
    Tls,
    has_hosts,
)
from swarmhub.settings.environments import LAB_URL
from swarmhub.sizing import choices, storage_gb, workers_for

# VXLAN, the overlay's encapsulation, takes this much of every packet (RFC 7348 over IPv4).
VXLAN_OVERHEAD_BYTES = 50
# Ethernet's, where no machine says otherwise.
DEFAULT_MTU_BYTES = 1500
# OpenStack accepts 255 characters in a name; a keypair's name is the shortest of the resources' (nova: 255).
# The limit here keeps server names usable as host names (RFC 1123).
NAME_MAX_CHARACTERS = 63
# The longest that a resource is called within its stack, and the hash that a shortened stack's name ends in.
LONGEST_NAME = "network-entrance"
HASH_CHARACTERS = 8

SSH_PORT = 22
HTTP_PORT = 80
HTTPS_PORT = 443
SWARM_CONTROL_PORT = 2377
SWARM_GOSSIP_PORT = 7946
VXLAN_PORT = 4789
NFS_PORT = 2049
REGISTRY_PORT = 5000
# Stands in an image's name for the registry of the swarm, whose address is the manager's.
REGISTRY_PLACEHOLDER = "{registry}"

MOUNT_POINT = "/var/nfs"
HOMES_DIRECTORY = f"{MOUNT_POINT}/homes"
SHARED_DIRECTORY = f"{MOUNT_POINT}/shared"
QUOTA_STATE_DIRECTORY = f"{MOUNT_POINT}/quota"
# The hub's state has a volume of its own, always on the manager: homes that fill theirs cannot stop the hub,
# and its SQLite is never on NFS, where it would lock badly (jupyter/docker-stacks #1820).
STATE_MOUNT_POINT = "/var/lib/swarmhub/state"
STATE_SIZE_GB = 1
HUB_STATE_DIRECTORY = f"{STATE_MOUNT_POINT}/hub"
FRONT_DOOR_STATE_DIRECTORY = f"{STATE_MOUNT_POINT}/front-door"
FRONT_DOOR_CONFIG_DIRECTORY = "/etc/swarmhub/front-door"
CHALLENGE_DIRECTORY = "/var/lib/swarmhub/acme-challenge"
REGISTRY_CONFIG_DIRECTORY = "/etc/swarmhub/registry"
# On the machine's own disk: what is lost with it is built again.
REGISTRY_DIRECTORY = "/var/lib/swarmhub/registry"
# Every jupyter docker-stacks image and images/user run as this account.
HOME_OWNER_ID = 1000
# write=eager (Linux 5.12) sends at once what a program writes, so that a full home is an error of the
# write and not only of fsync and close, where programs overlook it. Without it Linux 6.12 leaves a file
# open on the server for ever once close has reported ENOSPC, and its space is lost until the client
# reboots (seen with 6.12.118).
HOME_MOUNT_OPTIONS = "nfsvers=4.2,proto=tcp,hard,noatime,write=eager"
# Not in the home: the mount point would have to be made there by root, whom the NFS server lets into no home.
SHARED_MOUNT_PATH = "/shared"
SHARED_WRITERS_GROUP = "instructors"
PROBE_USER = "swarmhub-probe"
NO_LOGIN_FACTS = LoginFacts()
NO_FLAVOR = Flavor(id="", name="", vcpus=0, memory_mb=0, disk_gb=0)
# Nobody sees it: there is no choice.
ONLY_ENVIRONMENT = "only"
SIZE_KEY = "storage.size_gb"
STORAGE_MACHINE = "storage"


class Role(StrEnum):
    """What a machine does in the swarm."""

    MANAGER = "manager"
    WORKER = "worker"
    STORAGE = "storage"


@dataclass(frozen=True, kw_only=True)
class ExistingHost:
    """A machine that is there already: ssh connects to ``reached_at`` and believes ``host_key`` alone."""

    address: str
    reached_at: str
    host_key: str
    hostname: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One server: ``name`` inside the stack and as host name, ``server_name`` in the project.

    Another number in ``reinstall`` replaces it. ``ends_gently`` shuts it down before it is deleted, so that
    what it has not written yet reaches its volumes. One that is there already has its ``host``, and the
    host's address for a flavor.
    """

    name: str
    server_name: str
    role: Role
    flavor_id: str
    reinstall: int = 0
    ends_gently: bool = False
    host: ExistingHost | None = None

    @property
    def hostname(self) -> str:
        """What it calls itself, and the swarm calls it."""
        return self.host.hostname if self.host else self.name


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One Cinder volume and where it is mounted; ``existing`` is the one the cloud has by this name.

    ``volume_type`` and ``availability_zone`` None are the cloud's defaults, and count when it is made.
    """

    name: str
    about: str
    metadata: dict[str, str]
    volume_type: str | None
    availability_zone: str | None
    size_gb: int
    mount_point: str
    existing: ExistingVolume | None
    keep: bool
    protect: bool

    @property
    def existing_id(self) -> str | None:
        return self.existing.id if self.existing else None

    @property
    def grows(self) -> bool:
        """Whether this run enlarges it."""
        return self.existing is not None and self.size_gb > self.existing.size_gb


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where homes are on an existing machine: a block device or a directory."""

    device: str | None
    directory: str | None
    has_quotas: bool


@dataclass(frozen=True, kw_only=True)
class Homes:
    """What users' homes are mounted from; ``server`` is None when it is a machine of the stack."""

    export: str
    server: str | None


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One ingress rule. ``source`` is a network, or None for the members of the swarm."""

    name: str
    protocol: str
    port: int | None
    source: ipaddress.IPv4Network | None


@dataclass(frozen=True, kw_only=True)
class Network:
    """The machines' network; ``existing`` is set when it is not ours to make.

    ``router_id`` is an existing router to connect a made network to. ``public_address`` is a floating IP
    that is there already; with ``direct`` there is none, for the machines' own addresses are public.
    ``homes`` is open on the machine that exports them alone.
    """

    name: str
    external_network: str | None
    external_network_id: str | None
    router_id: str | None
    public_address: str | None
    direct: bool
    mtu_bytes: int | None
    subnet_cidr: str
    dns_servers: tuple[str, ...]
    existing: ExistingNetwork | None
    members: tuple[Opening, ...]
    entrance: tuple[Opening, ...]
    homes: tuple[Opening, ...]

    @property
    def groups(self) -> dict[str, tuple[Opening, ...]]:
        """What each security group opens, by its name in the project."""
        homes = {homes_name(self): self.homes} if self.homes else {}
        return {members_name(self): self.members, entrance_name(self): self.entrance} | homes


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The containers' network."""

    name: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a student's server may be started as; ``context`` is what its image is built from, if it is."""

    name: str
    description: str
    image: str
    memory_gb: float
    cpus: float
    default_url: str = LAB_URL
    context: Context | None = None


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container's image, and what it is built from on the manager, which runs it, if it is."""

    name: str
    context: Context | None = None


@dataclass(frozen=True, kw_only=True)
class Images:
    """Those of the hub's own containers; ``registry`` is None where workers are handed nothing."""

    hub: Image
    proxy: Image
    front_door: Image
    # Where a certificate is ordered, and where the workers get an image that is built.
    acme: Image | None
    registry: Image | None

    @property
    def all(self) -> tuple[Image, ...]:
        """Every one that a container is started from, the registry's first: others wait for it."""
        every = (self.registry, self.hub, self.proxy, self.front_door, self.acme)
        return tuple(image for image in every if image)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How the hub's certificate is got: ordered, from files of the operator's, or not at all."""

    issuer: Issuer
    email: str | None
    directory_url: str | None
    directory_ca_file: str | None
    files: tuple[str, str] | None
    trusted_ca_file: str | None

    @property
    def exists(self) -> bool:
        return self.issuer is not Issuer.NONE

    @property
    def scheme(self) -> str:
        """How the hub's address begins."""
        return self.issuer.scheme

    @property
    def ports(self) -> dict[str, int]:
        """What is open for browsers, by name."""
        return {"http": HTTP_PORT} | ({"https": HTTPS_PORT} if self.exists else {})


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A machine's disk that is a volume; ``volume_type`` None is the cloud's default."""

    size_gb: int
    volume_type: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided before the first resource is made.

    On existing machines there are no volumes: the hub's state is a directory, and homes are at a ``place``.
    ``storage_server_name`` is what a storage machine is or would be called in the project.
    """

    prefix: str
    cloud: str | None
    region: str | None
    image_id: str
    disk: Disk | None
    availability_zone: str | None
    scheduler_hints: Mapping[str, str]
    extra_security_group_ids: tuple[str, ...]
    ssh_user: str
    network: Network
    overlay: Overlay
    manager: Machine
    workers: tuple[Machine, ...]
    storage: Machine | None
    state: Volume | None
    data: Volume | None
    homes: Homes | None
    domain: str
    dns_zone_id: str | None
    name_server: str | None
    certificate: Certificate
    settings: Settings
    images: Images
    environments: tuple[Environment, ...]
    people: tuple[Person, ...] = ()
    storage_server_name: str = ""
    endpoints: Endpoints | None = None
    place: Place | None = None
    through_manager: bool = True

    @property
    def serves_homes(self) -> bool:
        """Whether a machine of the stack has the homes."""
        return self.data is not None or self.place is not None

    @property
    def has_quotas(self) -> bool:
        """Whether each home has its quota."""
        return self.data is not None or (self.place is not None and self.place.has_quotas)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All of them, the manager first."""
        return (self.manager, *([self.storage] if self.storage else []), *self.workers)

    @property
    def built(self) -> tuple[Environment, ...]:
        """Those whose images are built, each image once."""
        return tuple({each.image: each for each in self.environments if each.context}.values())

    @property
    def pushed(self) -> tuple[str, ...]:
        """What the images that are built are called in the site's registry, where one is to have them."""
        push = self.settings.hub.images.push
        own = [image.name for image in self.images.all if image.context]
        built = [*own, *(each.image for each in self.built)]
        return tuple(push.name_of(image) for image in built) if push else ()

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Those that hold data."""
        return tuple(volume for volume in (self.state, self.data) if volume)

    @property
    def volumes_gb(self) -> dict[str, int]:
        """The sizes of the volumes that hold data, by their names in the project."""
        return {volume.name: volume.size_gb for volume in self.volumes}

    @property
    def is_nameless(self) -> bool:
        """Whether the hub is opened by its address."""
        return self.domain == BARE_ADDRESS

    @property
    def name_prefixes(self) -> dict[str, str]:
        """What stands before the hub's name in each of the names that lead to it."""
        return {"name": "", "servers": "*."} if self.settings.hub.subdomains else {"name": ""}

    def domain_at(self, address: str) -> str:
        """The hub's host name once its public address is known; the address itself where it has none."""
        if self.is_nameless:
            return address
        return self.domain.replace(ADDRESS_PLACEHOLDER, address.replace(".", "-"))

    def url_of(self, domain: str) -> str:
        """What students open."""
        return f"{self.certificate.scheme}://{domain}"


def overlay_mtu(network_mtu_bytes: int) -> int:
    """The overlay's largest packet: with its encapsulation it fits the network (libnetwork #1021)."""
    return network_mtu_bytes - VXLAN_OVERHEAD_BYTES


def resource_name(stack: str, what: str) -> str:
    """The name of a resource in the project; without ``what`` it is that of the stack's one keypair."""
    return f"{name_prefix(stack)}-{what}" if what else name_prefix(stack)


def name_prefix(stack: str) -> str:
    """What the names of all of a stack's resources begin with.

    A long stack name is shortened, to end in a hash of the whole: two that begin alike share no name.
    """
    room = NAME_MAX_CHARACTERS - len(f"swarmhub--{LONGEST_NAME}")
    if len(stack) <= room:
        return f"swarmhub-{stack}"
    digest = hashlib.sha256(stack.encode()).hexdigest()[:HASH_CHARACTERS]
    return f"swarmhub-{stack[: room - HASH_CHARACTERS - 1].rstrip('-')}-{digest}"


def subnet_name(network: Network) -> str:
    return f"{network.name}-subnet"


def router_name(network: Network) -> str:
    return f"{network.name}-router"


def members_name(network: Network) -> str:
    """The security group of the machines among themselves."""
    return f"{network.name}-members"


def entrance_name(network: Network) -> str:
    """The security group of what the manager answers to outside."""
    return f"{network.name}-entrance"


def homes_name(network: Network) -> str:
    """The security group of the machine that exports homes."""
    return f"{network.name}-homes"


def address_description(network: Network) -> str:
    """What is written on the floating IP, which has no name."""
    return f"{network.name}-address"


def _to_members(name: str, protocol: str, port: int | None) -> Opening:
    return Opening(name=name, protocol=protocol, port=port, source=None)


SSH_FROM_MEMBERS = _to_members("ssh", "tcp", SSH_PORT)
# Path MTU discovery between the machines.
ICMP_FROM_MEMBERS = _to_members("icmp", "icmp", None)


def _member_openings(settings: Settings) -> tuple[Opening, ...]:
    return (
        *([_to_members("registry", "tcp", REGISTRY_PORT)] if settings.hub.hands_out else []),
        SSH_FROM_MEMBERS,
        _to_members("swarm-control", "tcp", SWARM_CONTROL_PORT),
        _to_members("swarm-gossip-tcp", "tcp", SWARM_GOSSIP_PORT),
        _to_members("swarm-gossip-udp", "udp", SWARM_GOSSIP_PORT),
        _to_members("overlay", "udp", VXLAN_PORT),
        ICMP_FROM_MEMBERS,
    )


def _homes_openings(settings: Settings) -> tuple[Opening, ...]:
    if settings.storage.kind not in SERVED:
        return ()
    nfs = _to_members("nfs", "tcp", NFS_PORT)
    # The storage machine is no member of the swarm; the manager is, and ssh passes through it.
    return (nfs, SSH_FROM_MEMBERS, ICMP_FROM_MEMBERS) if settings.machines.storage else (nfs,)


def _entrance_openings(settings: Settings) -> tuple[Opening, ...]:
    anywhere = ipaddress.IPv4Network("0.0.0.0/0")
    web = tuple(
        Opening(name=name, protocol="tcp", port=port, source=anywhere)
        for name, port in _certificate(settings.tls).ports.items()
    )
    ssh = tuple(
        Opening(name=f"ssh-{index}", protocol="tcp", port=SSH_PORT, source=source)
        for index, source in enumerate(settings.site.admin_networks, start=1)
    )
    return web + ssh


def _certificate(tls: Tls) -> Certificate:
    return Certificate(
        issuer=tls.issuer,
        email=tls.email,
        directory_url=tls.directory_url or DIRECTORY_URLS.get(tls.issuer),
        directory_ca_file=tls.directory_ca_file,
        files=(tls.certificate_file, tls.key_file) if tls.certificate_file and tls.key_file else None,
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


def volume_names(settings: Settings, stack: str) -> dict[str, str]:
    """The stack's volumes in the project, each under the config key that is about it."""
    names = {"hub state": resource_name(stack, "state")}
    if settings.storage.kind is StorageKind.VOLUME:
        names[SIZE_KEY] = resource_name(stack, "data")
    return names


def volume_metadata(stack: str) -> dict[str, str]:
    """What a volume is known by beside its name, which is shortened where the stack's is long."""
    return {"swarmhub_stack": stack}


def cloud_request(settings: Settings, stack: str) -> CloudRequest:
    """The names that only the cloud can say something of, each with its config key."""
    site, machines = settings.site, settings.machines
    named = {
        "machines.manager": machines.manager,
        "machines.worker.flavor": machines.worker.flavor,
        "machines.storage": machines.storage,
    }

    def asked(name: str) -> tuple[str, str] | None:
        value = getattr(site, name)
        return (f"site.{name}", value) if value else None

    image = asked("image") or asked("image_pattern")
    if image is None:
        raise ValueError("settings without an image were accepted")
    given_address = site.public_address not in tuple(PublicAddress)
    volume_types = {
        "site.volume_type": site.volume_type,
        "site.boot_volume.type": site.boot_volume.type if site.boot_volume else None,
    }
    return CloudRequest(
        cloud=site.cloud,
        region=site.region,
        image=image,
        image_is_pattern=site.image is None,
        flavors={key: name for key, name in named.items() if name},
        external_network=asked("external_network"),
        network=asked("network"),
        subnet=asked("subnet"),
        router=asked("router"),
        address=asked("public_address") if given_address else None,
        security_groups=tuple(
            (f"site.extra_security_groups[{place}]", name)
            for place, name in enumerate(site.extra_security_groups)
        ),
        volume_types={key: name for key, name in volume_types.items() if name},
        dns_zone=("hub.dns_zone", settings.hub.dns_zone) if settings.hub.dns_zone else None,
        zone=asked("availability_zone"),
        volume_zone=asked("volume_availability_zone"),
        boot_volume=("site.boot_volume.size_gb", site.boot_volume.size_gb) if site.boot_volume else None,
        volumes=volume_names(settings, stack),
        first_worker=None if machines.worker.flavor else resource_name(stack, "worker-1"),
        volume_metadata=volume_metadata(stack),
        manager=resource_name(stack, "manager"),
        floats=site.public_address is not PublicAddress.DIRECT,
    )


def largest_memory_gb(settings: Settings) -> float:
    """What a server may take at most: seats are counted by it, whatever people choose."""
    default_gb = settings.limits.memory_gb
    return max((each.memory_gb or default_gb for each in settings.hub.environments), default=default_gb)


def worker_flavor(settings: Settings, facts: CloudFacts) -> Flavor:
    """The flavor that the stack file names, or the one chosen for its people.

    Workers that are there keep a chosen flavor as long as it seats anybody: what the cloud comes to offer
    later resizes nothing. One without memory stands for none that would do.
    """
    named, users = settings.machines.worker.flavor, settings.workshop.users
    if named:
        return facts.flavors[named]
    there = [flavor for flavor in facts.offered if flavor.name == facts.first_worker]
    memory_gb = largest_memory_gb(settings)
    found = choices(users or 1, memory_gb, there) or choices(users or 1, memory_gb, facts.offered)
    return found[0].flavor if found else NO_FLAVOR


def count_workers(settings: Settings, flavor: Flavor) -> int:
    """As many as the stack file says, or as its people need, or one."""
    if settings.machines.worker.count is not None:
        return settings.machines.worker.count
    users = settings.workshop.users
    return (users and workers_for(users, flavor.memory_mb, largest_memory_gb(settings))) or 1


def image_at(image: str, registry: str) -> str:
    """The image's name once the swarm's own registry is known; most have another, and stay as they are."""
    return image.replace(REGISTRY_PLACEHOLDER, registry)


def built_image(name: str, context: Context) -> str:
    """What an image is called that is built for the environment so called: another content, another tag."""
    repository = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{REGISTRY_PLACEHOLDER}/{repository or 'own'}:{context.digest}"


def _images(settings: Settings, contexts: Contexts) -> Images:
    given = settings.hub.images

    def image(directory: str, name: str | None) -> Image:
        if name:
            return Image(name=name)
        context = contexts.own[directory]
        return Image(name=f"swarmhub/{directory}:{context.digest}", context=context)

    return Images(
        hub=image("hub", given.hub),
        proxy=image("proxy", given.proxy),
        front_door=image("front-door", given.front_door),
        acme=image("acme", given.acme) if settings.tls.issuer.by_order else None,
        registry=image("registry", given.registry) if settings.hub.hands_out else None,
    )


def list_environments(settings: Settings, contexts: Contexts = NO_CONTEXTS) -> tuple[Environment, ...]:
    """What students may choose from, the default first; ``contexts`` are what their images are built from."""
    hub, limits, built = settings.hub, settings.limits, contexts.environments
    if not hub.environments:
        own = None if hub.images.user else contexts.own["user"]
        return (
            Environment(
                name=ONLY_ENVIRONMENT,
                description="",
                image=built_image("user", own) if own else hub.images.user or "",
                memory_gb=limits.memory_gb,
                cpus=limits.cpus,
                context=own,
            ),
        )
    return tuple(
        Environment(
            name=each.name,
            description=each.description or "",
            image=built_image(each.name, built[each.name]) if each.build else each.image or "",
            memory_gb=each.memory_gb or limits.memory_gb,
            cpus=each.cpus or limits.cpus,
            default_url=each.default_url,
            context=built[each.name] if each.build else None,
        )
        for each in sorted(hub.environments, key=lambda each: not each.default)
    )


def roster_of(settings: Settings, listed: tuple[Person, ...]) -> tuple[Person, ...]:
    """Who gets a password: the people of the roster file and the administrators, in this order."""
    if settings.hub.login.kind is not LoginKind.ROSTER:
        return ()
    users = {person.user for person in listed}
    return listed + tuple(Person(user=admin) for admin in settings.hub.admins if admin not in users)


def _volume(settings: Settings, facts: CloudFacts, stack: str, what: str, **fields: Any) -> Volume:
    """A volume as this run makes it, grows it, or finds it.

    One that an earlier destroy left has to be taken up as it is: Pulumi imports what matches or nothing.
    It grows with the run after.
    """
    name, wanted_gb = resource_name(stack, what), fields.pop("size_gb")
    existing = facts.volumes.get(name)
    as_it_is = existing is not None and not existing.attached and wanted_gb > existing.size_gb
    return Volume(
        name=name,
        metadata=volume_metadata(stack),
        volume_type=settings.site.volume_type,
        availability_zone=settings.site.volume_availability_zone,
        size_gb=existing.size_gb if existing and as_it_is else wanted_gb,
        existing=existing,
        keep=settings.storage.keep_after_destroy,
        protect=settings.storage.protect,
        **fields,
    )


def _state(settings: Settings, facts: CloudFacts, stack: str) -> Volume:
    name = resource_name(stack, "state")
    existing = facts.volumes.get(name)
    return _volume(
        settings,
        facts,
        stack,
        "state",
        about="swarmhub: hub database, certificates",
        # Nobody sets this size: one that was enlarged by hand is right as it is.
        size_gb=max(STATE_SIZE_GB, existing.size_gb if existing else 0),
        mount_point=STATE_MOUNT_POINT,
    )


def reckoned_size_gb(settings: Settings, has_gb: int) -> int:
    """The data volume's size for the workshop's people; fewer of them shrink nothing."""
    return max(storage_gb(settings.workshop.users or 1, settings.storage.home_quota_gb), has_gb)


def _data(settings: Settings, facts: CloudFacts, stack: str) -> Volume | None:
    if settings.storage.kind is not StorageKind.VOLUME:
        return None
    there = facts.volumes.get(resource_name(stack, "data"))
    return _volume(
        settings,
        facts,
        stack,
        "data",
        about="swarmhub: homes",
        size_gb=settings.storage.size_gb or reckoned_size_gb(settings, there.size_gb if there else 0),
        mount_point=MOUNT_POINT,
    )


def _homes(settings: Settings) -> Homes | None:
    storage = settings.storage
    if storage.kind is StorageKind.NONE:
        return None
    return Homes(export=storage.export or HOMES_DIRECTORY, server=storage.server)


def _domain(settings: Settings, facts: CloudFacts, manager: str) -> str:
    """The host name with what the cloud's automatic names are made of; clouds write it in lower case."""
    project = re.sub(r"[^a-z0-9-]+", "-", facts.project_name.lower()).strip("-")
    return settings.hub.domain.replace(INSTANCE_PLACEHOLDER, manager).replace(PROJECT_PLACEHOLDER, project)


def make_plan(
    settings: Settings,
    facts: CloudFacts,
    stack: str,
    login: LoginFacts = NO_LOGIN_FACTS,
    contexts: Contexts = NO_CONTEXTS,
) -> Plan:
    """Expand a stack's settings into the whole deployment, with the ids that the cloud gave for its names."""
    site, machines = settings.site, settings.machines
    of_workers = worker_flavor(settings, facts)

    def machine(name: str, role: Role, flavor: Flavor) -> Machine:
        return Machine(
            name=name,
            server_name=resource_name(stack, name),
            role=role,
            flavor_id=flavor.id,
            reinstall=getattr(machines.reinstall, role),
            ends_gently=role is not Role.WORKER and settings.storage.keep_after_destroy,
        )

    existing = facts.network
    network = Network(
        name=resource_name(stack, "network"),
        external_network=site.external_network,
        external_network_id=facts.external_network_id,
        router_id=facts.router_id,
        public_address=site.public_address if site.public_address not in tuple(PublicAddress) else None,
        direct=site.public_address == PublicAddress.DIRECT,
        mtu_bytes=site.mtu_bytes,
        subnet_cidr=existing.subnet_cidr if existing else str(site.subnet_cidr),
        dns_servers=site.dns_servers,
        existing=existing,
        members=_member_openings(settings),
        entrance=_entrance_openings(settings),
        homes=_homes_openings(settings),
    )
    return Plan(
        prefix=resource_name(stack, ""),
        cloud=site.cloud,
        region=site.region,
        image_id=facts.image_id,
        disk=Disk(size_gb=site.boot_volume.size_gb, volume_type=site.boot_volume.type or site.volume_type)
        if site.boot_volume
        else None,
        availability_zone=site.availability_zone,
        scheduler_hints=site.scheduler_hints,
        extra_security_group_ids=facts.security_group_ids,
        ssh_user=site.ssh_user,
        network=network,
        overlay=Overlay(name="hub", cidr=str(site.overlay_cidr)),
        manager=machine("manager", Role.MANAGER, facts.flavors[machines.manager or ""]),
        workers=tuple(
            machine(f"worker-{number}", Role.WORKER, of_workers)
            for number in range(1, count_workers(settings, of_workers) + 1)
        ),
        storage=machine(STORAGE_MACHINE, Role.STORAGE, facts.flavors[machines.storage])
        if machines.storage
        else None,
        storage_server_name=resource_name(stack, STORAGE_MACHINE),
        state=_state(settings, facts, stack),
        data=_data(settings, facts, stack),
        homes=_homes(settings),
        domain=_domain(settings, facts, resource_name(stack, Role.MANAGER)),
        dns_zone_id=facts.dns_zone_id,
        name_server=site.name_server,
        certificate=_certificate(settings.tls),
        settings=settings,
        images=_images(settings, contexts),
        environments=list_environments(settings, contexts),
        people=roster_of(settings, login.people),
        endpoints=login.endpoints,
    )


MANAGER_KEY = "machines.hosts.manager"
# NFS is not among them: a machine's own server may go on, with our exports beside its own.
SWARM_TAKEN = (f"tcp/{SWARM_GOSSIP_PORT}", f"udp/{SWARM_GOSSIP_PORT}", f"udp/{VXLAN_PORT}")
SWARM_CONTROL_TAKEN = (f"tcp/{SWARM_CONTROL_PORT}",)


def hosts_request(settings: Settings, stack: str) -> HostsRequest:
    """What is to be asked of the existing machines."""
    site, storage, hosts = settings.site, settings.storage, has_hosts(settings.machines)
    holder = "machines.hosts.storage" if hosts.storage else MANAGER_KEY
    web = tuple(f"tcp/{port}" for port in _certificate(settings.tls).ports.values())

    def request(where: str, host: Host) -> HostRequest:
        role = _role_of(where)
        return HostRequest(
            where=where,
            role=role,
            address=host.address,
            reached_at=reached_at(host),
            host_key=host.host_key,
            through=MANAGER_KEY if site.through_manager and where != MANAGER_KEY else None,
            ports=(*web, *SWARM_CONTROL_TAKEN, *SWARM_TAKEN)
            if role is Role.MANAGER
            else SWARM_TAKEN
            if role is Role.WORKER
            else (),
            device=storage.device if where == holder else None,
            directory=storage.directory if where == holder else None,
        )

    return HostsRequest(
        user=site.ssh_user,
        known_hosts_file=site.known_hosts_file,
        hosts=tuple(request(where, host) for where, host in hosts.all.items()),
    )


def _role_of(where: str) -> Role:
    """The part of a machine, from its config key."""
    part = where.removeprefix("machines.hosts.")
    return Role.WORKER if part.startswith("workers") else Role(part)


def reached_at(host: Host) -> str:
    """Where ssh reaches a machine; the manager may have another address to the outside."""
    return getattr(host, "public_address", None) or host.address


UNKNOWN_HOST = HostFacts(hostname="", system="", vcpus=0, memory_mb=0, host_key="")


def make_plan_on_hosts(
    settings: Settings,
    survey: HostSurvey,
    stack: str,
    login: LoginFacts = NO_LOGIN_FACTS,
    contexts: Contexts = NO_CONTEXTS,
) -> Plan:
    """The whole deployment on machines that are there already; with findings in the survey it has blanks."""
    site, storage, hosts = settings.site, settings.storage, has_hosts(settings.machines)

    def machine(name: str, where: str, host: Host) -> Machine:
        known = survey.hosts.get(where, UNKNOWN_HOST)
        return Machine(
            name=name,
            server_name=host.address,
            role=_role_of(where),
            flavor_id=host.address,
            host=ExistingHost(
                address=host.address,
                reached_at=reached_at(host),
                host_key=known.host_key,
                hostname=known.hostname,
            ),
        )

    manager_facts = survey.hosts.get(MANAGER_KEY, UNKNOWN_HOST)
    holder_facts = (
        survey.hosts.get("machines.hosts.storage", UNKNOWN_HOST) if hosts.storage else manager_facts
    )
    subnet_cidr = str(site.subnet_cidr)
    mtus = [facts.network_mtu for facts in survey.hosts.values() if facts.network_mtu]
    mtu = site.mtu_bytes or min(mtus, default=DEFAULT_MTU_BYTES)
    return Plan(
        prefix=resource_name(stack, ""),
        cloud=None,
        region=None,
        image_id="",
        disk=None,
        availability_zone=None,
        scheduler_hints={},
        extra_security_group_ids=(),
        ssh_user=site.ssh_user,
        network=Network(
            name=resource_name(stack, "network"),
            external_network=None,
            external_network_id=None,
            router_id=None,
            public_address=reached_at(hosts.manager),
            direct=True,
            mtu_bytes=mtu,
            subnet_cidr=subnet_cidr,
            dns_servers=(),
            existing=ExistingNetwork(id="", subnet_id="", subnet_cidr=subnet_cidr, mtu=mtu),
            members=_member_openings(settings),
            entrance=_entrance_openings(settings),
            homes=_homes_openings(settings),
        ),
        overlay=Overlay(name="hub", cidr=str(site.overlay_cidr)),
        manager=machine("manager", MANAGER_KEY, hosts.manager),
        workers=tuple(
            machine(f"worker-{number}", f"machines.hosts.workers[{number - 1}]", host)
            for number, host in enumerate(hosts.workers, start=1)
        ),
        storage=machine("storage", "machines.hosts.storage", hosts.storage) if hosts.storage else None,
        state=None,
        data=None,
        homes=_homes(settings),
        domain=settings.hub.domain,
        dns_zone_id=None,
        name_server=site.name_server,
        certificate=_certificate(settings.tls),
        settings=settings,
        images=_images(settings, contexts),
        environments=list_environments(settings, contexts),
        people=roster_of(settings, login.people),
        endpoints=login.endpoints,
        place=Place(
            device=storage.device,
            directory=storage.directory,
            has_quotas=storage.device is not None or holder_facts.directory_has_quotas,
        )
        if storage.device or storage.directory
        else None,
        through_manager=site.through_manager,
    )
