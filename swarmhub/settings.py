"""Stack configuration to settings: every key, its default, its rule, and all problems reported together.

A section of the stack file is a mapping (``swarmhub:site: {...}``) and becomes one frozen dataclass. What a
key means lives in one place, beside its field; the reference documentation and the messages come from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, cast

from swarmhub.errors import Finding, UserError

ADDRESS_PLACEHOLDER = "{address}"
# A certificate's common name holds at most 64 characters (RFC 5280, ub-common-name).
DOMAIN_MAX_CHARACTERS = 63
LONGEST_ADDRESS = "255-255-255-255"
# The swarm's overlay gives each server, the hub and the proxy one address.
OVERLAY_LARGEST_PREFIX = 22
# JupyterHub's shared-password authenticator refuses shorter ones (jupyterhub/authenticators/shared.py).
USER_PASSWORD_MIN_CHARACTERS = 8
ADMIN_PASSWORD_MIN_CHARACTERS = 32


class Login(StrEnum):
    """How students log in."""

    SHARED_PASSWORD = "shared-password"


class Issuer(StrEnum):
    """Who signs the hub's certificate."""

    LETSENCRYPT = "letsencrypt"
    LETSENCRYPT_STAGING = "letsencrypt-staging"
    ACME = "acme"


DIRECTORY_URLS = {
    Issuer.LETSENCRYPT: "https://acme-v02.api.letsencrypt.org/directory",
    Issuer.LETSENCRYPT_STAGING: "https://acme-staging-v02.api.letsencrypt.org/directory",
}


class ChangeEffect(StrEnum):
    """What a later change of a key does to a running hub."""

    NOTHING = "nothing is restarted"
    RESTART = "the hub restarts; students' servers go on"
    IN_PLACE = "changed in place"
    MACHINE = "the machines are replaced; the data volume stays"
    DATA = "the data volume is replaced; its data is lost"


class Refused(ValueError):
    """A value that breaks its key's rule; carries the sentences of the finding."""

    def __init__(self, problem: str, rule: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem, self.rule, self.remedy = problem, rule, remedy


Reader = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a config key is: for the parser, the messages and the reference documentation."""

    read: Reader
    about: str
    change: ChangeEffect
    section: type | None = None


def key(
    read: Reader,
    about: str,
    *,
    change: ChangeEffect,
    default: Any = dataclasses.MISSING,
    section: type | None = None,
) -> Any:
    """Declare a dataclass field that is read from the stack configuration."""
    return field(
        default=default, metadata={"key": Key(read=read, about=about, change=change, section=section)}
    )


def keys_of(section: type) -> dict[str, Key]:
    """Every key of a section, by name, in the order of declaration."""
    return {each.name: each.metadata["key"] for each in dataclasses.fields(section)}


def text(rule: str, pattern: str = r"\S(.*\S)?") -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise Refused(f"{value!r} is not accepted", rule)
        return value

    return read


def whole_number(minimum: int, maximum: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise Refused(f"{value!r} is not accepted", f"It is a whole number from {minimum} to {maximum}")
        return value

    return read


def number(minimum: float, maximum: float) -> Reader:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise Refused(f"{value!r} is not accepted", f"It is a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def one_of(choices: type[StrEnum]) -> Reader:
    def read(value: Any) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            valid = ", ".join(choices)
            raise Refused(
                f"{value!r} is not one of the choices", f"Choices: {valid}", nearest(str(value), choices)
            ) from None

    return read


def list_of(read_item: Reader, *, at_least: int = 0) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Refused(f"{value!r} is not a list", "It is a YAML list", "Write it as [first, second]")
        if len(value) < at_least:
            raise Refused("the list is empty", f"It has at least {at_least} entry")
        return tuple(read_item(item) for item in value)

    return read


def spelled(value: Any) -> str:
    """Refuse what ipaddress would take for the number of an address."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def ipv4_network(minimum_prefix: int, maximum_prefix: int) -> Reader:
    rule = f"It is an IPv4 network with a prefix from /{minimum_prefix} to /{maximum_prefix}"

    def read(value: Any) -> ipaddress.IPv4Network:
        try:
            found = ipaddress.IPv4Network(spelled(value))
        except ValueError as error:
            raise Refused(
                f"{value!r} is not an IPv4 network ({error})", rule, "Write it as 10.20.0.0/24"
            ) from None
        if not minimum_prefix <= found.prefixlen <= maximum_prefix:
            raise Refused(f"{value} has the prefix /{found.prefixlen}", rule)
        return found

    return read


def address(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(spelled(value)))
    except ValueError:
        raise Refused(f"{value!r} is not an IPv4 address", "It is an address such as 192.0.2.53") from None


def host_name(value: Any) -> str:
    rule = (
        f"It is a host name of at most {DOMAIN_MAX_CHARACTERS} characters with a dot in it; "
        f"{ADDRESS_PLACEHOLDER} in it stands for the public address written with dashes"
    )
    if not isinstance(value, str):
        raise Refused(
            f"{value!r} is not a host name", rule, "Give the name students will open, without https://"
        )
    example = value.replace(ADDRESS_PLACEHOLDER, LONGEST_ADDRESS)
    if len(example) > DOMAIN_MAX_CHARACTERS:
        raise Refused(f"{value!r} can be {len(example)} characters long", rule, "Choose a shorter name")
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})+", example):
        raise Refused(
            f"{value!r} is not a host name", rule, "Give the name students will open, without https://"
        )
    return value


def nested(value: Any) -> Any:
    """A section inside a section; its own keys do the reading."""
    return value


NAME = text("It is a non-empty name")
ACCOUNT = text("It is a user name of lower-case letters, digits, . _ and -", r"[a-z_][a-z0-9._-]{0,62}")
IMAGE = text(
    "It is a container image reference such as quay.io/jupyter/scipy-notebook:2025-01-01",
    r"[a-z0-9][\w./:@-]+",
)
FILE = text("It is the path of a file, relative to the project's directory or absolute")


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


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The machines that run the students' servers."""

    flavor: str = key(NAME, "Flavor of each worker", change=ChangeEffect.IN_PLACE)
    count: int = key(whole_number(1, 200), "Number of workers", change=ChangeEffect.IN_PLACE, default=1)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """How many machines of which size."""

    manager: str = key(NAME, "Flavor of the manager", change=ChangeEffect.IN_PLACE)
    worker: Workers = key(
        nested,
        "The machines that run the students' servers",
        change=ChangeEffect.IN_PLACE,
        section=Workers,
    )


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The data volume: homes, the hub's database, certificates."""

    size_gb: int = key(
        whole_number(1, 100_000), "Size of the data volume in GB", change=ChangeEffect.IN_PLACE
    )


@dataclass(frozen=True, kw_only=True)
class Images:
    """The containers' images."""

    user: str = key(IMAGE, "Image of the students' servers", change=ChangeEffect.RESTART)
    hub: str = key(IMAGE, "Image built from images/hub", change=ChangeEffect.RESTART)
    proxy: str = key(IMAGE, "Image built from images/proxy", change=ChangeEffect.RESTART)
    front_door: str = key(IMAGE, "Image built from images/front-door", change=ChangeEffect.RESTART)
    acme: str = key(IMAGE, "Image built from images/acme", change=ChangeEffect.RESTART)


@dataclass(frozen=True, kw_only=True)
class Hub:
    """What the students see."""

    domain: str = key(host_name, "Host name of the hub", change=ChangeEffect.RESTART)
    images: Images = key(nested, "The containers' images", change=ChangeEffect.RESTART, section=Images)
    login: Login = key(
        one_of(Login), "How students log in", change=ChangeEffect.RESTART, default=Login.SHARED_PASSWORD
    )
    admins: tuple[str, ...] = key(
        list_of(ACCOUNT, at_least=1), "User names that may administer the hub", change=ChangeEffect.RESTART
    )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one student's server may use."""

    memory_gb: float = key(
        number(0.25, 4096),
        "Memory of one server in GB; a server that needs more is ended",
        change=ChangeEffect.RESTART,
        default=1.0,
    )
    cpus: float = key(
        number(0.1, 512), "CPUs that one server may use at once", change=ChangeEffect.RESTART, default=1.0
    )


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The certificate of the hub's name."""

    email: str = key(
        text("It is an e-mail address", r"[^@\s]+@[^@\s]+"),
        "Address for notices of the certificate's issuer",
        change=ChangeEffect.IN_PLACE,
    )
    issuer: Issuer = key(
        one_of(Issuer),
        "Who signs the certificate",
        change=ChangeEffect.IN_PLACE,
        default=Issuer.LETSENCRYPT_STAGING,
    )
    directory_url: str | None = key(
        text("It is the https URL of an ACME directory", r"https://\S+"),
        "ACME directory, for issuer: acme",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    directory_ca_file: str | None = key(
        FILE,
        "Certificate of the CA that the ACME directory's own HTTPS is signed by",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    trusted_ca_file: str | None = key(
        FILE,
        "Certificate that `up` trusts beside the system's when it tries the hub",
        change=ChangeEffect.NOTHING,
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole stack file."""

    site: Site = key(nested, Site.__doc__ or "", change=ChangeEffect.MACHINE, section=Site)
    machines: Machines = key(nested, Machines.__doc__ or "", change=ChangeEffect.IN_PLACE, section=Machines)
    storage: Storage = key(nested, Storage.__doc__ or "", change=ChangeEffect.IN_PLACE, section=Storage)
    hub: Hub = key(nested, Hub.__doc__ or "", change=ChangeEffect.RESTART, section=Hub)
    limits: Limits = key(
        nested,
        Limits.__doc__ or "",
        change=ChangeEffect.RESTART,
        default=Limits(),
        section=Limits,
    )
    tls: Tls = key(nested, Tls.__doc__ or "", change=ChangeEffect.IN_PLACE, section=Tls)


def nearest(word: str, candidates: Any) -> str:
    """A sentence that names the closest valid word, or all of them when none is close."""
    words = sorted(str(candidate) for candidate in candidates)
    close = difflib.get_close_matches(word, words, n=1)
    return f"Did you mean {close[0]}?" if close else f"Valid here: {', '.join(words)}"


SectionType = TypeVar("SectionType")


def _read_section(
    section: type[SectionType], raw: Any, path: str, findings: list[Finding]
) -> SectionType | None:
    known = keys_of(cast(type, section))
    if not isinstance(raw, Mapping):
        findings.append(
            Finding(
                where=path,
                problem=f"{raw!r} is not a mapping",
                rule=f"It has the keys {', '.join(known)}",
                remedy="Write it as {key: value, ...}",
            )
        )
        return None
    before = len(findings)
    for name in raw:
        if name not in known:
            findings.append(
                Finding(
                    where=_join(path, name), problem="this key is unknown", remedy=nearest(str(name), known)
                )
            )
    values: dict[str, Any] = {}
    for each in dataclasses.fields(cast(Any, section)):
        spec, where = known[each.name], _join(path, each.name)
        if each.name not in raw or raw[each.name] is None:
            if each.default is dataclasses.MISSING:
                findings.append(
                    Finding(
                        where=where,
                        problem="this key is missing",
                        remedy=f"Set it: {spec.about[0].lower()}{spec.about[1:]}",
                    )
                )
            continue
        if spec.section is not None:
            values[each.name] = _read_section(spec.section, raw[each.name], where, findings)
            continue
        try:
            values[each.name] = spec.read(raw[each.name])
        except Refused as refused:
            remedy = refused.remedy or f"Set {where} to such a value"
            findings.append(Finding(where=where, problem=refused.problem, rule=refused.rule, remedy=remedy))
    return section(**values) if len(findings) == before else None


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _cross_check(settings: Settings) -> list[Finding]:
    findings = []
    site, tls = settings.site, settings.tls
    if site.subnet_cidr.overlaps(site.overlay_cidr):
        findings.append(
            Finding(
                where="site.overlay_cidr",
                problem=f"{site.overlay_cidr} overlaps site.subnet_cidr {site.subnet_cidr}",
                rule="Machines and containers have addresses of different networks",
                remedy="Change one of the two",
            )
        )
    if tls.issuer is Issuer.ACME and tls.directory_url is None:
        findings.append(
            Finding(
                where="tls.directory_url",
                problem="this key is missing",
                rule="tls.issuer is acme",
                remedy="Set it to the ACME directory's URL",
            )
        )
    if tls.issuer is not Issuer.ACME:
        findings += [
            Finding(
                where=f"tls.{name}",
                problem=f"this key has no meaning with tls.issuer: {tls.issuer}",
                rule="It belongs to issuer: acme",
                remedy="Remove it, or set tls.issuer to acme",
            )
            for name in ("directory_url", "directory_ca_file")
            if getattr(tls, name) is not None
        ]
    return findings


def read_settings(raw: Mapping[str, Any]) -> Settings:
    """Read a stack's configuration, given as section name to mapping.

    Raises ``UserError`` with every unknown key, missing key, refused value and contradiction at once.
    """
    findings: list[Finding] = []
    settings = _read_section(Settings, raw, "", findings)
    if settings is not None:
        findings += _cross_check(settings)
    if findings or settings is None:
        raise UserError(findings)
    return settings
