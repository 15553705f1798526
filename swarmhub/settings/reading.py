"""A whole stack file: its sections, read with all problems reported together."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from swarmhub.errors import Finding, UserError
from swarmhub.settings.domain import check_domain, check_subdomains, check_zone, known_by_cloud
from swarmhub.settings.environments import check_environments
from swarmhub.settings.hub import Hub, Limits
from swarmhub.settings.keys import (
    BARE_ADDRESS,
    ChangeEffect,
    Key,
    Refused,
    is_needed,
    key,
    keys_of,
    nearest,
    nested,
    shown,
)
from swarmhub.settings.login import CLIENT_SECRET_KEY, SET_CLIENT_SECRET, check_login
from swarmhub.settings.machines import Machines
from swarmhub.settings.provision import check_provision, check_storage_machine
from swarmhub.settings.push import PASSWORD_KEY, PUSH_KEY, SET_PASSWORD
from swarmhub.settings.site import Site
from swarmhub.settings.storage import Storage
from swarmhub.settings.tls import Tls
from swarmhub.settings.workshop import Workshop

# Where a secret stands: how it is set, and who makes another when it has been seen.
SECRETS = {
    CLIENT_SECRET_KEY: (SET_CLIENT_SECRET, "the provider"),
    PASSWORD_KEY: (SET_PASSWORD, "the registry"),
}


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
    workshop: Workshop = key(
        nested,
        Workshop.__doc__ or "",
        change=ChangeEffect.NOTHING,
        default=Workshop(),
        section=Workshop,
    )

    @property
    def own_images(self) -> tuple[str, ...]:
        """The directories of images/ that the manager builds from."""
        return self.hub.own_images(orders=self.tls.issuer.by_order)


@runtime_checkable
class Consistent(Protocol):
    """A section that has rules about several of its keys."""

    def contradictions(self) -> list[Finding]:
        """What in it contradicts itself."""


SectionType = TypeVar("SectionType")


def _read_section(
    section: type[SectionType], raw: Any, path: str, findings: list[Finding]
) -> SectionType | None:
    known = keys_of(cast(type, section))
    if not isinstance(raw, Mapping):
        findings.append(
            Finding(
                where=path,
                problem=f"{shown(raw)} is not a mapping",
                rule=f"It has the keys {', '.join(known)}",
                remedy="Write it as {key: value, ...}",
            )
        )
        return None
    before = len(findings)
    for name in raw:
        if name not in known:
            findings.append(
                Finding(where=_join(path, name), problem="this key is unknown", remedy=nearest(name, known))
            )
    values: dict[str, Any] = {}
    for each in dataclasses.fields(cast(Any, section)):
        spec, where = known[each.name], _join(path, each.name)
        if each.name not in raw or raw[each.name] is None:
            if is_needed(each):
                findings.append(
                    Finding(
                        where=where,
                        problem="this section is missing" if spec.section else "this key is missing",
                        remedy=_how_to_set(spec),
                    )
                )
            continue
        if spec.section is not None:
            values[each.name] = _read_nested(spec, raw[each.name], where, findings)
            continue
        try:
            values[each.name] = spec.read(raw[each.name])
        except Refused as refused:
            findings += [
                Finding(
                    where=f"{where}{place}",
                    problem=one.problem,
                    rule=one.rule,
                    remedy=one.remedy or f"Set {where}{place} to such a value",
                )
                for place, one in refused.each()
            ]
    if len(findings) > before:
        return None
    found = section(**values)
    if isinstance(found, Consistent):
        findings += found.contradictions()
    return found


def needed_keys(section: type) -> list[str]:
    """The keys of a section that have no default."""
    return [each.name for each in dataclasses.fields(section) if is_needed(each)]


def _how_to_set(spec: Key) -> str:
    if spec.section is None or not needed_keys(spec.section):
        return f"Set it: {spec.about[0].lower()}{spec.about[1:].rstrip('.')}"
    return f"Write it with its keys {', '.join(needed_keys(spec.section))}"


def _read_nested(spec: Key, raw: Any, where: str, findings: list[Finding]) -> Any:
    """A section inside a section, or a list of them."""
    section = cast(type, spec.section)
    if not spec.many:
        given = {spec.shorthand: raw} if spec.shorthand and isinstance(raw, str) else raw
        return _read_section(section, given, where, findings)
    if not isinstance(raw, list) or not raw:
        findings.append(
            Finding(
                where=where,
                problem=f"{shown(raw)} is not a list of mappings",
                rule=f"Each entry has the keys {', '.join(keys_of(section))}",
                remedy="Write an entry as - {key: value, ...}",
            )
        )
        return ()
    return tuple(
        _read_section(section, entry, f"{where}[{position}]", findings) for position, entry in enumerate(raw)
    )


def _join(path: str, name: object) -> str:
    word = name if isinstance(name, str) and re.fullmatch(r"[\w-]{1,60}", name) else shown(name)
    return f"{path}.{word}" if path else word


def _cross_check(settings: Settings) -> list[Finding]:
    site = settings.site
    findings = []
    if site.subnet_cidr.overlaps(site.overlay_cidr):
        findings.append(
            Finding(
                where="site.overlay_cidr",
                problem=f"{site.overlay_cidr} overlaps site.subnet_cidr {site.subnet_cidr}",
                rule="Machines and containers have addresses of different networks",
                remedy="Change one of the two",
            )
        )
    hub = settings.hub
    host = "<the public address>" if hub.domain == BARE_ADDRESS else hub.domain
    findings += check_login(hub.login, f"{settings.tls.issuer.scheme}://{host}", hub.admins)
    if not known_by_cloud(hub.domain):
        findings += check_domain(hub.domain, settings.tls.issuer)
        findings += check_zone(hub.domain, hub.dns_zone)
    if hub.subdomains:
        findings += check_subdomains(hub.domain, settings.tls.issuer)
    findings += check_environments(hub.environments, hub.images.user)
    if hub.images.push and not (settings.own_images or hub.hands_out):
        findings.append(
            Finding(
                where=PUSH_KEY,
                problem="there is nothing to push",
                rule="Each image that is needed is named, so that none is built",
                remedy="Remove it",
            )
        )
    groups = dict(settings.hub.groups)
    findings += [
        Finding(
            where=f"storage.quota_overrides.groups.{group}",
            problem="there is no such group",
            rule="It is one of hub.groups",
            remedy=nearest(group, groups) if groups else "Add it to hub.groups",
        )
        for group, _ in settings.storage.quota_overrides.groups
        if group not in groups
    ]
    findings += check_storage_machine(settings)
    findings += check_provision(settings)
    return findings


def _secrets_in_plain(raw: Mapping[str, Any], secret_sections: Collection[str]) -> list[Finding]:
    """A section that holds any encrypted value is encrypted as a whole by the time it gets here."""
    return [
        Finding(
            where=where,
            problem="it stands unencrypted in the stack file",
            remedy=f"Remove it there, run {how_to_set}, and have {issuer} make a new one",
        )
        for where, (how_to_set, issuer) in SECRETS.items()
        if where.partition(".")[0] not in secret_sections and _is_given(raw, where)
    ]


def _is_given(raw: object, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(raw, Mapping) or name not in raw:
            return False
        raw = raw[name]
    return True


def read_settings(raw: Mapping[str, Any], secret_sections: Collection[str] = ("hub",)) -> Settings:
    """Read a stack's configuration, given as section name to mapping.

    ``secret_sections`` are those in which Pulumi has decrypted something. Raises ``UserError`` with every
    unknown key, missing key, refused value and contradiction at once.
    """
    findings = _secrets_in_plain(raw, secret_sections)
    settings = _read_section(Settings, raw, "", findings)
    if settings is not None:
        findings += _cross_check(settings)
    if findings or settings is None:
        raise UserError(findings)
    return settings
