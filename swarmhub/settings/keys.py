"""What a config key is, and the readers that turn its value into a setting or refuse it."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

ADDRESS_PLACEHOLDER, INSTANCE_PLACEHOLDER, PROJECT_PLACEHOLDER = "{address}", "{instance}", "{project}"
# In place of a host name: the hub is opened by its public address.
BARE_ADDRESS = "address"
# RFC 1035, without the root's dot.
DOMAIN_MAX_CHARACTERS = 253
LONGEST_ADDRESS = "255.255.255.255"
# A message stays one readable line, whatever was pasted into the stack file.
SHOWN_CHARACTERS = 80


class ChangeEffect(StrEnum):
    """What a later change of a key does to a running hub."""

    NOTHING = "nothing is restarted"
    RESTART = "the hub restarts; students' servers go on"
    IN_PLACE = "changed in place"
    NEXT_MACHINE = "only machines made later have it; a running one keeps what it has"
    NEXT_VOLUME = "only a volume made later has it; the data volume stays as it is"
    NEXT_SWARM = "only a swarm made later has it, as with another number in machines.reinstall.manager"
    RESIZE = "the machines are shut down and resized; students' servers on them end, files stay"
    MACHINE = "the machines are replaced; the data volume stays"
    NEXT_STACK = "not to be changed while the stack is up: run pulumi destroy before"
    ELSEWHERE = "the hub restarts; homes are what the new place holds, nothing is moved"
    DATA = "homes begin empty; a volume that was kept holds the former ones"


class Refused(ValueError):
    """A value that breaks its key's rule; carries the sentences of the finding."""

    def __init__(self, problem: str, rule: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem, self.rule, self.remedy = problem, rule, remedy

    def each(self) -> Iterator[tuple[str, Refused]]:
        """Every refusal in it, with the place inside the value (``[2]``, or nothing)."""
        yield "", self


class SeveralRefused(Refused):
    """Entries of one value that break the rule, by their place in it."""

    def __init__(self, refusals: Sequence[tuple[str, Refused]]) -> None:
        first = refusals[0][1]
        super().__init__(first.problem, first.rule, first.remedy)
        self.refusals = tuple(refusals)

    def each(self) -> Iterator[tuple[str, Refused]]:
        for place, refusal in self.refusals:
            for inner, one in refusal.each():
                yield f"{place}{inner}", one


def shown(value: Any) -> str:
    """A value as a message quotes it: printable, on one line, its middle left out when it is long."""
    try:
        quoted = repr(value)
    except (ValueError, RecursionError):
        # Python writes no number of more than 4,300 digits.
        return f"{type(value).__name__} too large to show"
    quoted = quoted.encode("ascii", "backslashreplace").decode() if not quoted.isprintable() else quoted
    if len(quoted) <= SHOWN_CHARACTERS:
        return quoted
    half = SHOWN_CHARACTERS // 2
    return f"{quoted[:half]} ... {quoted[-half:]}"


Reader = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a config key is: for the parser, the messages and the reference documentation.

    ``section`` is read in place of a value, as a list of such sections with ``many``; ``shorthand`` is the
    section's key that a bare word stands for.
    """

    read: Reader
    about: str
    change: ChangeEffect
    section: type | None = None
    many: bool = False
    shorthand: str | None = None


def key(
    read: Reader,
    about: str,
    *,
    change: ChangeEffect,
    default: Any = dataclasses.MISSING,
    section: type | None = None,
    many: bool = False,
    shorthand: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare a dataclass field that is read from the stack configuration."""
    declared = Key(read=read, about=about, change=change, section=section, many=many, shorthand=shorthand)
    if isinstance(default, Mapping):
        return field(default_factory=lambda: default, repr=not secret, metadata={"key": declared})
    return field(default=default, repr=not secret, metadata={"key": declared})


def is_needed(declared: dataclasses.Field[Any]) -> bool:
    """Whether a key has no default."""
    return declared.default is dataclasses.MISSING and declared.default_factory is dataclasses.MISSING


def keys_of(section: type) -> dict[str, Key]:
    """Every key of a section, by name, in the order of declaration."""
    return {each.name: each.metadata["key"] for each in dataclasses.fields(section)}


def text(rule: str, pattern: str = r"\S(.*\S)?") -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise Refused(f"{shown(value)} is not accepted", rule)
        return value

    return read


def whole_number(minimum: int, maximum: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise Refused(
                f"{shown(value)} is not accepted", f"It is a whole number from {minimum} to {maximum}"
            )
        return value

    return read


def number(minimum: float, maximum: float) -> Reader:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise Refused(
                f"{shown(value)} is not accepted", f"It is a number from {minimum:g} to {maximum:g}"
            )
        return float(value)

    return read


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{shown(value)} is not accepted", "It is true or false")
    return value


def https_url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise Refused(f"{shown(value)} is not accepted", "It is a URL that begins with https://")
    return value.rstrip("/")


def secret_text(path: str) -> Reader:
    """Take a text that no message repeats."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"\S+", value):
            raise Refused(
                "its value is not accepted",
                "It is a text without spaces",
                f"Set it anew: pulumi config set --secret --path 'swarmhub:{path}'",
            )
        return value

    return read


def one_of(choices: type[StrEnum]) -> Reader:
    def read(value: Any) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            raise Refused(
                f"{shown(value)} is not one of the choices",
                f"Choices: {', '.join(choices)}",
                _close(value, choices) or "Choose one of them",
            ) from None

    return read


def list_of(read_item: Reader, *, at_least: int = 0) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Refused(f"{shown(value)} is not a list", "It is a YAML list", "Write it as [first, second]")
        if len(value) < at_least:
            raise Refused("the list is empty", f"It has at least {at_least} entry")
        entries, refusals = [], []
        for place, item in enumerate(value):
            try:
                entries.append(read_item(item))
            except Refused as refused:
                refusals.append((f"[{place}]", refused))
        if refusals:
            raise SeveralRefused(refusals)
        return tuple(entries)

    return read


NO_ENTRIES: Mapping[str, Any] = MappingProxyType({})


def mapping_of(read_value: Reader) -> Reader:
    """Names, which a person chooses, to values that ``read_value`` accepts."""

    def read(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise Refused(
                f"{shown(value)} is not a mapping", "It is a YAML mapping", "Write it as {name: value}"
            )
        entries: dict[str, Any] = {}
        refusals = []
        for name, each in value.items():
            try:
                entries[NAME(name)] = read_value(each)
            except Refused as refused:
                refusals.append((f"[{shown(name)}]", refused))
        if refusals:
            raise SeveralRefused(refusals)
        return MappingProxyType(entries)

    return read


def pairs_of(read_name: Reader, read_value: Reader) -> Reader:
    """Take a mapping and keep it as pairs, for settings do not change."""

    def read(value: Any) -> tuple[tuple[Any, Any], ...]:
        if not isinstance(value, Mapping):
            raise Refused(
                f"{shown(value)} is not a mapping", "It is a YAML mapping", "Write it as {name: value}"
            )
        return tuple((read_name(name), read_value(entry)) for name, entry in value.items())

    return read


def pattern(value: Any) -> str:
    rule = "It is a regular expression such as Featured-Ubuntu24.*"
    if not isinstance(value, str) or not value:
        raise Refused(f"{shown(value)} is not accepted", rule)
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise Refused(f"{shown(value)} is no regular expression ({error})", rule) from None
    return value


def spelled(value: Any) -> str:
    """Refuse what ipaddress would take for the number of an address."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _network_mistake(error: ValueError) -> str:
    """What ipaddress says beyond quoting the value, which it does at any length."""
    return " (it has host bits set)" if str(error).endswith("has host bits set") else ""


def ipv4_network(minimum_prefix: int, maximum_prefix: int) -> Reader:
    rule = f"It is an IPv4 network with a prefix from /{minimum_prefix} to /{maximum_prefix}"

    def read(value: Any) -> ipaddress.IPv4Network:
        try:
            found = ipaddress.IPv4Network(spelled(value))
        except ValueError as error:
            raise Refused(
                f"{shown(value)} is not an IPv4 network{_network_mistake(error)}",
                rule,
                "Write it as 10.20.0.0/24",
            ) from None
        if not minimum_prefix <= found.prefixlen <= maximum_prefix:
            raise Refused(f"{shown(value)} has the prefix /{found.prefixlen}", rule)
        return found

    return read


def address(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(spelled(value)))
    except ValueError:
        raise Refused(
            f"{shown(value)} is not an IPv4 address", "It is an address such as 192.0.2.53"
        ) from None


def host_key(value: Any) -> str:
    """Take a line of a ``.pub`` file; its comment is left out."""
    types = r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"
    if not isinstance(value, str) or not re.fullmatch(
        rf"({types}) [A-Za-z0-9+/]{{16,}}={{0,2}}( .*)?", value
    ):
        raise Refused(
            f"{shown(value)} is not a public host key",
            "It is type and key as in the machine's /etc/ssh/ssh_host_ed25519_key.pub",
            "Copy the line from that file on the machine itself",
        )
    return " ".join(value.split()[:2])


def host_name(value: Any) -> str:
    rule = (
        f"It is a host name of at most {DOMAIN_MAX_CHARACTERS} characters with a dot in it, or "
        f"{BARE_ADDRESS} for none; {ADDRESS_PLACEHOLDER} in it stands for the public address written with "
        f"dashes, {INSTANCE_PLACEHOLDER} and {PROJECT_PLACEHOLDER} for the names that the cloud has for the "
        "manager and the project"
    )
    remedy = "Give the name students will open, without https://"
    if not isinstance(value, str):
        raise Refused(f"{shown(value)} is not a host name", rule, remedy)
    if value == BARE_ADDRESS:
        return value
    if (length := len(longest_name(value))) > DOMAIN_MAX_CHARACTERS:
        raise Refused(f"{shown(value)} can be {length} characters long", rule, "Choose a shorter name")
    if not is_host_name(longest_name(value)):
        raise Refused(f"{shown(value)} is not a host name", rule, remedy)
    return value


def zone_name(value: Any) -> str:
    name = value.removesuffix(".") if isinstance(value, str) else ""
    if len(name) > DOMAIN_MAX_CHARACTERS or not is_host_name(name):
        rule = f"It is a zone of at most {DOMAIN_MAX_CHARACTERS} characters such as project.cloud.example.org"
        raise Refused(f"{shown(value)} is not a zone", rule)
    return name


def longest_name(domain: str) -> str:
    """The longest that a host name with placeholders can become, as far as the stack file alone says."""
    name = domain.replace(ADDRESS_PLACEHOLDER, LONGEST_ADDRESS.replace(".", "-"))
    return name.replace(INSTANCE_PLACEHOLDER, "manager").replace(PROJECT_PLACEHOLDER, "project")


def is_host_name(name: str) -> bool:
    """Whether it is a host name with a dot in it, and no address."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    return bool(re.fullmatch(rf"{label}(\.{label})+", name)) and not name.rpartition(".")[2].isdigit()


def nested(value: Any) -> Any:
    """A section inside a section; its own keys do the reading."""
    return value


NAME = text("It is a non-empty name")
# As JupyterHub knows them: it lowers what people type, and many login providers name people by their address.
ACCOUNT = text(
    "It is a user name of lower-case letters, digits and . _ - + @, at most 128 characters",
    r"[a-z0-9_][a-z0-9._+@-]{0,127}",
)
GROUP = text("It is a group's name of lower-case letters, digits, _ and -", r"[a-z][a-z0-9_-]{0,31}")
IMAGE = text(
    "It is a container image reference such as quay.io/jupyter/scipy-notebook:2025-01-01",
    r"[a-z0-9][\w./:@-]+",
)
FILE = text("It is the path of a file, relative to the project's directory or absolute")
DIRECTORY = text("It is the path of a directory, relative to the project's directory or absolute")


def _close(word: object, candidates: Iterable[str]) -> str:
    if not isinstance(word, str):
        return ""
    close = difflib.get_close_matches(word[:SHOWN_CHARACTERS], sorted(map(str, candidates)), n=1)
    return f"Did you mean {close[0]}?" if close else ""


def nearest(word: object, candidates: Iterable[str]) -> str:
    """A sentence that names the closest valid word, or all of them when none is close."""
    there = [str(candidate) for candidate in candidates]
    return _close(word, there) or f"Valid here: {', '.join(sorted(there))}"
