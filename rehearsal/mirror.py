"""Where root file systems come from: Debian's mirror, as this machine's apt has it, and Ubuntu's archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.host import fail, run

APT = Path("/etc/apt")
DEBIAN_SUITES = "oldoldstable|oldstable|stable|testing|buster|bullseye|bookworm|trixie|forky"
SETTINGS_THAT_MATTER = re.compile(r"Acquire::(https?::|ftp::|Retries|Check-Valid-Until|Check-Date|ForceIPv)")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place apt fetches from."""

    uri: str
    suite: str
    components: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Where a distribution and its security updates come from.

    ``script`` is debootstrap's for a release that it has none for by name, ``keyring`` the keys that sign the
    releases where they are not this machine's own.
    """

    uri: str
    security_uri: str | None
    components: str = "main"
    # All of Debian's releases are made by one script, and all of Ubuntu's.
    script: str = "sid"
    keyring: Path | None = None

    def sources_list(self, suite: str) -> str:
        """Return the text of a sources.list for a release."""
        lines = [f"deb {self.uri} {each} {self.components}" for each in (suite, f"{suite}-updates")]
        if self.security_uri:
            lines.append(f"deb {self.security_uri} {suite}-security {self.components}")
        return "\n".join(lines) + "\n"

    def backports_list(self, suite: str) -> str:
        """Return the line of a sources.list for a release's backports, which nothing comes from unasked."""
        return f"deb {self.uri} {suite}-backports main\n"


def parse_list(text: str) -> Iterator[Source]:
    """Read the one-line format (sources.list)."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if found:
            yield Source(uri=found[1], suite=found[2], components=tuple(found[3].split()))


def parse_deb822(text: str) -> Iterator[Source]:
    """Read the stanza format (debian.sources)."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri=uri, suite=suite, components=tuple(fields.get("components", "").split()))


def choose_mirror(sources: Iterable[Source]) -> Mirror | None:
    """Pick Debian's own archive out of everything apt fetches from."""
    main = [source for source in sources if "main" in source.components]
    archives = [source.uri for source in main if re.fullmatch(DEBIAN_SUITES, source.suite)]
    # Others publish for Debian's suites too; an archive of Debian itself lies under .../debian.
    archives.sort(key=lambda uri: not uri.rstrip("/").endswith("/debian"))
    security = [source.uri for source in main if re.fullmatch(f"({DEBIAN_SUITES})-security", source.suite)]
    if not archives:
        return None
    return Mirror(uri=archives[0], security_uri=security[0] if security else None)


def _resolve(uri: str) -> str:
    """Follow apt's ``mirror+file:`` lists, which debootstrap does not know, to their first mirror."""
    if not uri.startswith("mirror+file:"):
        return uri
    lines = Path(uri.removeprefix("mirror+file:")).read_text().splitlines()
    return next(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def find_mirror() -> Mirror:
    """Return this machine's Debian mirror, or the one in ``SWARMHUB_DEBIAN_MIRROR``.

    Raises UserError if apt's sources name none.
    """
    if chosen := os.environ.get("SWARMHUB_DEBIAN_MIRROR"):
        return Mirror(uri=chosen, security_uri=os.environ.get("SWARMHUB_DEBIAN_SECURITY_MIRROR"))
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    sources: list[Source] = []
    for file in files:
        if file.suffix == ".list" and file.exists():
            sources.extend(parse_list(file.read_text()))
        elif file.suffix == ".sources":
            sources.extend(parse_deb822(file.read_text()))
    mirror = choose_mirror(sources)
    if mirror is None:
        fail(
            "rehearsal",
            "apt's sources on this machine name no Debian archive",
            "Name one: SWARMHUB_DEBIAN_MIRROR=<address of a Debian mirror>",
            "The cloud is made of Debian packages",
        )
    security_uri = _resolve(mirror.security_uri) if mirror.security_uri else None
    return Mirror(uri=_resolve(mirror.uri), security_uri=security_uri)


def ubuntu_mirror(keyring: Path) -> Mirror:
    """Return Ubuntu's archive, or the mirror of it in ``SWARMHUB_UBUNTU_MIRROR``, updates included."""
    uri = os.environ.get("SWARMHUB_UBUNTU_MIRROR", "http://archive.ubuntu.com/ubuntu")
    return Mirror(uri=uri, security_uri=uri, components="main universe", script="gutsy", keyring=keyring)


def backports_preferences(suite: str, source_packages: Sequence[str]) -> str:
    """Return the text of an apt preferences file that takes what is made from these from the backports."""
    packages = " ".join(f"src:{package}" for package in source_packages)
    return f"Package: {packages}\nPin: release n={suite}-backports\nPin-Priority: 500\n"


def apt_settings() -> str:
    """Return this machine's apt settings on proxies and the like, as the text of an apt.conf file."""
    dump = run(["apt-config", "dump", "--format", '%f "%v";%n'])
    wanted = [
        line for line in dump.splitlines() if SETTINGS_THAT_MATTER.match(line) and not line.endswith(' "";')
    ]
    return "\n".join([*wanted, 'Acquire::Languages "none";', ""])
