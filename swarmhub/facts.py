"""What is asked of others before anything is made, and what they answered. Data only; live/ asks."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmhub.errors import Finding
from swarmhub.roster import Person


@dataclass(frozen=True, kw_only=True)
class CloudRequest:
    """Names to look up. Each comes with the config key it was given under, for the messages.

    ``cloud`` is an entry of clouds.yaml, or None for the OS_* variables; ``flavors`` and ``volume_types``
    are config key to name; ``network`` is None when the network is ours to make; ``address`` is a floating
    IP that the project should have; ``image_is_pattern`` makes the image's name a regular expression.
    ``manager`` is the name of the server, and of its port, that the address is for; ``floats`` says that
    students reach it by a floating IP. ``boot_volume`` is the size in GB of the machines' disks when they
    are volumes. ``volumes`` need not be there; they are told from others of that name by
    ``volume_metadata``. ``first_worker`` is a server whose flavor is wanted when the workers' flavor is to
    be chosen.
    """

    cloud: str | None
    image: tuple[str, str]
    flavors: Mapping[str, str]
    external_network: tuple[str, str] | None
    region: str | None = None
    image_is_pattern: bool = False
    network: tuple[str, str] | None = None
    subnet: tuple[str, str] | None = None
    router: tuple[str, str] | None = None
    address: tuple[str, str] | None = None
    security_groups: tuple[tuple[str, str], ...] = ()
    volume_types: Mapping[str, str] = field(default_factory=dict)
    dns_zone: tuple[str, str] | None = None
    zone: tuple[str, str] | None = None
    volume_zone: tuple[str, str] | None = None
    boot_volume: tuple[str, int] | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    volume_metadata: Mapping[str, str] = field(default_factory=dict)
    first_worker: str | None = None
    manager: str = ""
    floats: bool = False


@dataclass(frozen=True, kw_only=True)
class Flavor:
    """A size of server."""

    id: str
    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int


@dataclass(frozen=True, kw_only=True)
class ExistingNetwork:
    """A network that was there before us, with the subnet our machines get their addresses from."""

    id: str
    subnet_id: str
    subnet_cidr: str
    mtu: int


@dataclass(frozen=True, kw_only=True)
class ExistingVolume:
    """A volume of the stack, in use or left by an earlier destroy."""

    id: str
    size_gb: int
    attached: bool


@dataclass(frozen=True, kw_only=True)
class CloudFacts:
    """What the names of a request stand for; ``flavors`` and ``volumes`` are by name.

    ``offered`` are the flavors that the image fits, without those for special hardware, and ``first_worker``
    is the name of that server's flavor, when one is to be chosen.
    """

    project_name: str
    image_id: str
    flavors: Mapping[str, Flavor]
    external_network_id: str | None
    image_name: str = ""
    network: ExistingNetwork | None = None
    volumes: Mapping[str, ExistingVolume] = field(default_factory=dict)
    router_id: str | None = None
    dns_zone_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    offered: tuple[Flavor, ...] = ()
    first_worker: str = ""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much of a quota is in use; ``limit`` is None when there is none."""

    limit: int | None
    used: int

    @property
    def free(self) -> int | None:
        return None if self.limit is None else self.limit - self.used


@dataclass(frozen=True, kw_only=True)
class ProjectContents:
    """What the project holds already under names that a stack's resources have, and its quotas.

    ``rules`` is the number of rules by security group's name; ``addresses`` are descriptions of floating
    IPs, which have no name; ``quotas`` lacks what the cloud did not answer for.
    """

    quotas: Mapping[str, Usage] = field(default_factory=dict)
    servers: Mapping[str, Flavor] = field(default_factory=dict)
    volumes_gb: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    ports: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    subnets: frozenset[str] = frozenset()
    routers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Who asks; ``expires_at`` is when the credential itself ends, None when it does not or does not say."""

    user_name: str
    project_name: str
    kind: str
    expires_at: datetime.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that the cloud answered. With ``findings``, ``facts`` has blanks for what is missing."""

    facts: CloudFacts
    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    passed: tuple[str, ...]
    project: ProjectContents
    credentials: Credentials


@dataclass(frozen=True, kw_only=True)
class CertificateFacts:
    """What the files of ``tls`` hold: the names and addresses that the certificate is for, and its time.

    Without a certificate there is no time; ``findings`` say what is wrong with the files themselves.
    """

    names: tuple[str, ...] = ()
    begins: datetime.datetime | None = None
    ends: datetime.datetime | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where an OpenID Connect provider is talked to, as its discovery document says."""

    authorization: str
    token: str
    userinfo: str


@dataclass(frozen=True, kw_only=True)
class LoginFacts:
    """What had to be read for ``hub.login``: the people of the roster file, the provider's addresses."""

    people: tuple[Person, ...] = ()
    endpoints: Endpoints | None = None


@dataclass(frozen=True, kw_only=True)
class HostRequest:
    """How ssh reaches an existing machine, and what is to be found out there.

    ``where`` is its config key; ``host_key`` is the stack file's, or None to ask ``known_hosts_file``.
    ``through`` is the config key of the machine that ssh goes through. ``ports`` are those that the
    deployment takes, as ``tcp/80``; ``device`` and ``directory`` are where homes would be.
    """

    where: str
    role: str
    address: str
    reached_at: str
    host_key: str | None
    through: str | None
    ports: tuple[str, ...]
    device: str | None = None
    directory: str | None = None


@dataclass(frozen=True, kw_only=True)
class HostsRequest:
    """All existing machines of a stack, and the account on them."""

    user: str
    known_hosts_file: str | None
    hosts: tuple[HostRequest, ...]


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What an existing machine answered; ``host_key`` is the one that connections verify.

    ``stack`` is whose it is already, ``state_of`` whose hub state lies on it. ``network_mtu`` is None when
    no interface has the address. ``device_holds`` is what is on the device, "" when that is nothing, and None
    when there is no such device; ``directory_has_quotas`` is whether projects can have quotas there.
    """

    hostname: str
    system: str
    vcpus: int
    memory_mb: int
    host_key: str
    network_mtu: int | None = None
    installs_packages: bool = True
    runs_systemd: bool = True
    docker_version: str = ""
    swarm_state: str = ""
    stack: str = ""
    state_of: str = ""
    firewalls: tuple[str, ...] = ()
    busy_ports: Mapping[str, str] = field(default_factory=dict)
    device_holds: str | None = None
    directory_has_quotas: bool = False


@dataclass(frozen=True, kw_only=True)
class HostSurvey:
    """What the existing machines answered, by config key; ``hosts`` lacks those that did not."""

    hosts: Mapping[str, HostFacts]
    findings: tuple[Finding, ...] = ()
