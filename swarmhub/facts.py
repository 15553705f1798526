"""What is asked of others before anything is made, and what they answered. Data only; live/ asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swarmhub.roster import Person


@dataclass(frozen=True, kw_only=True)
class CloudRequest:
    """Names to look up. Each comes with the config key it was given under, for the messages.

    ``cloud`` is an entry of clouds.yaml, or None for the OS_* variables; ``flavors`` is config key to name;
    ``network`` is None when the network is ours to make.
    """

    cloud: str | None
    image: tuple[str, str]
    flavors: Mapping[str, str]
    external_network: tuple[str, str]
    network: tuple[str, str] | None = None


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
class CloudFacts:
    """What the names of a request stand for; ``flavors`` is by name."""

    project_name: str
    image_id: str
    flavors: Mapping[str, Flavor]
    external_network_id: str
    network: ExistingNetwork | None = None


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
