from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.mirror import (
    Mirror,
    Source,
    backports_preferences,
    choose_mirror,
    parse_deb822,
    parse_list,
    ubuntu_mirror,
)

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg] https://other.example/apt bookworm main
deb http://mirror.example/debian bookworm main contrib # near us
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/security bookworm-security main
"""
STANZAS = """\
Types: deb
# an old snapshot
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
 contrib
"""


def test_both_formats_lead_to_debians_own_archive() -> None:
    assert choose_mirror(parse_list(ONE_LINE)) == Mirror(
        uri="http://mirror.example/debian", security_uri="http://mirror.example/security"
    )
    assert choose_mirror(parse_deb822(STANZAS)) == Mirror(
        uri="http://mirror.example/debian", security_uri="http://mirror.example/debian-security"
    )


def test_continued_and_disabled_fields_are_understood() -> None:
    sources = list(parse_deb822(STANZAS))
    assert [source.suite for source in sources] == ["bookworm", "bookworm-updates", "bookworm-security"]
    assert sources[-1].components == ("main", "contrib")


def test_archives_of_others_alone_are_no_mirror() -> None:
    others = [
        Source(uri="https://packages.example", suite="nodistro", components=("main",)),
        Source(uri="https://docker.example/linux/debian", suite="bookworm", components=("stable",)),
    ]
    assert choose_mirror(others) is None


def test_sources_list_leaves_security_out_when_it_is_unknown() -> None:
    assert Mirror(uri="http://m/debian", security_uri=None).sources_list("trixie") == (
        "deb http://m/debian trixie main\ndeb http://m/debian trixie-updates main\n"
    )


def test_backports_are_a_source_of_what_is_asked_of_them_only() -> None:
    mirror = Mirror(uri="http://m/debian", security_uri=None)
    assert mirror.backports_list("bookworm") == "deb http://m/debian bookworm-backports main\n"
    assert backports_preferences("bookworm", ["qemu", "seabios"]) == (
        "Package: src:qemu src:seabios\nPin: release n=bookworm-backports\nPin-Priority: 500\n"
    )


def test_ubuntu_comes_from_one_archive_with_its_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARMHUB_UBUNTU_MIRROR", raising=False)
    archive = "http://archive.ubuntu.com/ubuntu"
    assert ubuntu_mirror(Path("keys.gpg")).sources_list("noble") == (
        f"deb {archive} noble main universe\n"
        f"deb {archive} noble-updates main universe\n"
        f"deb {archive} noble-security main universe\n"
    )
    monkeypatch.setenv("SWARMHUB_UBUNTU_MIRROR", "http://m/ubuntu")
    assert ubuntu_mirror(Path("keys.gpg")).uri == "http://m/ubuntu"
