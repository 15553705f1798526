"""What the students see, and what one of them may use."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from swarmhub.settings.environments import Environment
from swarmhub.settings.keys import (
    ACCOUNT,
    BARE_ADDRESS,
    GROUP,
    IMAGE,
    ChangeEffect,
    flag,
    host_name,
    ipv4_network,
    key,
    list_of,
    nested,
    number,
    pairs_of,
    text,
    whole_number,
    zone_name,
)
from swarmhub.settings.login import Login
from swarmhub.settings.push import Push

# JupyterHub's shared-password authenticator refuses shorter ones (jupyterhub/authenticators/shared.py).
USER_PASSWORD_MIN_CHARACTERS = 8
ADMIN_PASSWORD_MIN_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True)
class Images:
    """The containers' images."""

    user: str | None = key(
        IMAGE,
        "Image of the students' servers, where there is no choice; images/user is built unless it is set",
        change=ChangeEffect.RESTART,
        default=None,
    )
    hub: str | None = key(
        IMAGE,
        "Image of the hub; images/hub is built on the manager unless it is set, and so are those below",
        change=ChangeEffect.RESTART,
        default=None,
    )
    proxy: str | None = key(
        IMAGE, "Image of the hub's proxy, as images/proxy", change=ChangeEffect.RESTART, default=None
    )
    front_door: str | None = key(
        IMAGE, "Image of nginx, as images/front-door", change=ChangeEffect.RESTART, default=None
    )
    acme: str | None = key(
        IMAGE, "Image of the ACME client, as images/acme", change=ChangeEffect.RESTART, default=None
    )
    registry: str | None = key(
        IMAGE,
        "Image of the registry that hands built images to the workers, as images/registry",
        change=ChangeEffect.RESTART,
        default=None,
    )
    base: str = key(
        IMAGE,
        "Image of Debian 13 that what is built from images/ begins with",
        change=ChangeEffect.RESTART,
        default="docker.io/library/debian:13-slim",
    )
    refresh: int = key(
        whole_number(0, 1_000_000),
        "Another number pulls the students' images again by their names, for tags that have moved",
        change=ChangeEffect.RESTART,
        default=0,
    )
    push: Push | None = key(
        nested,
        "A registry of yours that gets every image which `up` builds",
        change=ChangeEffect.IN_PLACE,
        default=None,
        section=Push,
    )


@dataclass(frozen=True, kw_only=True)
class Hub:
    """What the students see."""

    domain: str = key(
        host_name,
        "Host name of the hub; with address the hub has none and is opened by its public address",
        change=ChangeEffect.RESTART,
        default=BARE_ADDRESS,
    )
    dns_zone: str | None = key(
        zone_name,
        "Zone of the cloud's DNS service (Designate) in which `up` makes the record of hub.domain; "
        "without it the record is yours to set, or the cloud's",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    subdomains: bool = key(
        flag,
        "Give each student's server a host name of its own below hub.domain, so that browsers keep what one "
        "student wrote from the pages of another; it takes a DNS record and a certificate for *.<hub.domain>",
        change=ChangeEffect.RESTART,
        default=False,
    )
    images: Images = key(
        nested,
        "The containers' images",
        change=ChangeEffect.RESTART,
        default=Images(),
        section=Images,
    )
    environments: tuple[Environment, ...] = key(
        nested,
        "What students may choose from when they start a server",
        change=ChangeEffect.RESTART,
        default=(),
        section=Environment,
        many=True,
    )
    login: Login = key(
        nested,
        "How students log in",
        change=ChangeEffect.RESTART,
        default=Login(),
        section=Login,
        shorthand="kind",
    )
    # nginx's own default of 1 MB stops most uploads.
    upload_max_mb: int = key(
        whole_number(1, 1_000_000),
        "Largest upload to a server in MB",
        change=ChangeEffect.IN_PLACE,
        default=1024,
    )
    admins: tuple[str, ...] = key(
        list_of(ACCOUNT, at_least=1), "User names that may administer the hub", change=ChangeEffect.RESTART
    )
    groups: tuple[tuple[str, tuple[str, ...]], ...] = key(
        pairs_of(GROUP, list_of(ACCOUNT)),
        "Groups and their members, such as {instructors: [ada]}",
        change=ChangeEffect.RESTART,
        default=(),
    )
    announcement: str | None = key(
        text("It is a text", r"(?s)\s*\S.*"),
        "Text shown on top of the login and home pages; addresses in it become links",
        change=ChangeEffect.RESTART,
        default=None,
    )

    @property
    def builds_servers(self) -> bool:
        """Whether images/user is what the students' servers run from."""
        return not (self.images.user or self.environments)

    @property
    def hands_out(self) -> bool:
        """Whether the workers get an image that the manager builds."""
        return self.builds_servers or any(environment.build for environment in self.environments)

    def own_images(self, *, orders: bool) -> tuple[str, ...]:
        """The directories of images/ that are built from, since no image of that kind is named.

        ``orders`` is whether a certificate is ordered, which takes an ACME client.
        """
        images = self.images
        wanted = {
            "hub": not images.hub,
            "proxy": not images.proxy,
            "front-door": not images.front_door,
            "acme": orders and not images.acme,
            "registry": self.hands_out and not images.registry,
            "user": self.builds_servers,
        }
        return tuple(name for name, is_built in wanted.items() if is_built)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one student's server may use."""

    memory_gb: float = key(
        number(0.25, 4096),
        "Memory of one server in GB, kept for it; a server that needs more is ended",
        change=ChangeEffect.RESTART,
        default=1.0,
    )
    cpus: float = key(
        number(0.1, 512), "CPUs that one server may use at once", change=ChangeEffect.RESTART, default=1.0
    )
    pids: int = key(
        whole_number(50, 100_000),
        "Processes and threads that one server may have at once",
        change=ChangeEffect.RESTART,
        default=2000,
    )
    gpus: int = key(
        whole_number(0, 16),
        "GPUs that each server has for itself, of those that the workers' Docker daemons offer as GPU",
        change=ChangeEffect.RESTART,
        default=0,
    )
    cull_after_minutes: int = key(
        whole_number(0, 60 * 24 * 31),
        "Minutes after which a server nobody uses is stopped; 0 never stops one",
        change=ChangeEffect.RESTART,
        default=60,
    )
    outbound_networks: tuple[ipaddress.IPv4Network, ...] = key(
        list_of(ipv4_network(0, 32)),
        "Networks outside the workshop that servers may reach; empty is the whole internet",
        change=ChangeEffect.IN_PLACE,
        default=(),
    )
