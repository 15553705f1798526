"""The hub's host name as a whole: what its certificate can name."""

from __future__ import annotations

from swarmhub.errors import Finding
from swarmhub.settings.keys import (
    BARE_ADDRESS,
    DOMAIN_MAX_CHARACTERS,
    INSTANCE_PLACEHOLDER,
    PROJECT_PLACEHOLDER,
    is_host_name,
    longest_name,
    shown,
)
from swarmhub.settings.tls import Issuer

# A certificate's common name holds no more (RFC 5280, ub-common-name), and issuers put the name there.
ORDERED_MAX_CHARACTERS = 64
# A student's name is one label before the hub's: 63 characters and a dot (RFC 1035, section 2.3.4).
WITH_SUBDOMAINS_MAX_CHARACTERS = DOMAIN_MAX_CHARACTERS - 64
KEY, ZONE_KEY = "hub.domain", "hub.dns_zone"


def check_zone(domain: str, zone: str | None, given: str | None = None) -> list[Finding]:
    """A record can be made in a zone that the name is in; ``given`` as for ``check_domain``."""
    if zone is None or (domain != BARE_ADDRESS and f".{domain}".endswith(f".{zone}")):
        return []
    if domain == BARE_ADDRESS:
        problem = "a hub that is opened by its address has no record"
        return [Finding(where=ZONE_KEY, problem=problem, remedy=f"Remove it, or set {KEY}")]
    name = f"{shown(given)}, which becomes {shown(domain)}," if given else shown(domain)
    problem = f"{KEY} {name} is not in the zone {shown(zone)}"
    return [Finding(where=ZONE_KEY, problem=problem, remedy=f"Choose a {KEY} that ends with .{zone}")]


def check_domain(domain: str, issuer: Issuer, given: str | None = None) -> list[Finding]:
    """What is wrong with a name for this issuer; ``given`` is what stands in the stack file, if another."""
    if domain == BARE_ADDRESS:
        return []
    name = longest_name(domain)
    became = f"{shown(given)} becomes {shown(name)}, which" if given else shown(domain)
    longest = ORDERED_MAX_CHARACTERS if issuer.by_order else DOMAIN_MAX_CHARACTERS
    if len(name) > longest:
        return [
            Finding(
                where=KEY,
                problem=f"{became} can be {len(name)} characters long",
                rule=f"With tls.issuer: {issuer} it has at most {longest}",
                remedy="Choose a shorter name",
            )
        ]
    if not is_host_name(name):
        return [Finding(where=KEY, problem=f"{became} is not a host name", remedy="Write the name out")]
    return []


def check_subdomains(domain: str, issuer: Issuer) -> list[Finding]:
    """Names below the hub's need a name, and a certificate that the manager cannot order."""
    where = "hub.subdomains"
    if domain == BARE_ADDRESS:
        problem = "a hub that is opened by its address has no names below it"
        return [Finding(where=where, problem=problem, remedy=f"Remove it, or set {KEY}")]
    if issuer.by_order:
        return [
            Finding(
                where=where,
                problem=f"tls.issuer: {issuer} gives no certificate for all names below the hub's",
                rule="What the manager can prove to an issuer is that single names are its own",
                remedy=f"Set tls.issuer to files, with a certificate for {domain} and *.{domain}",
            )
        ]
    if len(longest_name(domain)) > WITH_SUBDOMAINS_MAX_CHARACTERS:
        return [
            Finding(
                where=where,
                problem=f"{shown(domain)} can be {len(longest_name(domain))} characters long",
                rule=f"With a student's name before it, it has at most {WITH_SUBDOMAINS_MAX_CHARACTERS}",
                remedy=f"Choose a shorter {KEY}",
            )
        ]
    return []


def known_by_cloud(domain: str) -> bool:
    """Whether the cloud says what the name is."""
    return INSTANCE_PLACEHOLDER in domain or PROJECT_PLACEHOLDER in domain
