"""The documentation: current, its links lead somewhere, its examples are what the program accepts."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from live.cli import list_commands, make_parser
from scripts import reference
from swarmhub.settings import Settings, keys_of, read_settings
from swarmhub.text import PROJECT_DIRECTORY
from tests.support.stacks import dev_config, host_config

PAGES = sorted(
    [*PROJECT_DIRECTORY.glob("*.md"), *(PROJECT_DIRECTORY / "docs").rglob("*.md")], key=lambda path: str(path)
)
NAMES = [str(page.relative_to(PROJECT_DIRECTORY)) for page in PAGES]
# What a reader has besides this repository.
OTHER_PROGRAMS = {"chmod", "cp", "docker", "sudo"}
PULUMI_COMMANDS = {"up", "preview", "destroy", "stack init", "stack output", "stack rm"}


def blocks(text: str, language: str) -> Iterator[str]:
    for indent, content in re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield "\n".join(line.removeprefix(indent) for line in content.splitlines())


def commands(text: str) -> Iterator[list[str]]:
    for block in blocks(text, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] not in ("for", "done"):
                yield words


def test_the_reference_is_current() -> None:
    assert reference.REFERENCE.read_text() == reference.render(), "run: python -m scripts.reference"


def test_the_reference_has_every_key() -> None:
    def names(section: type) -> Iterator[str]:
        for name, key in keys_of(section).items():
            yield name
            if key.section:
                yield from names(key.section)

    text = reference.render()
    assert [
        name for name in names(Settings) if f"**`{name}`**" not in text and f"## {name}" not in text
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, fragment = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert fragment in {reference.anchor(heading) for heading in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_DIRECTORY / "Makefile").read_text(), re.MULTILINE))
    parser = make_parser(list_commands())
    for words in commands(page.read_text()):
        if words[0] == "bin/swarmhub":
            parser.parse_args(words[1:])
        elif words[0] == "make":
            assert set(words[1:]) <= targets, words
        elif words[0] == "pulumi":
            given = [word for word in words[1:] if not word.startswith("-")]
            assert {given[0], " ".join(given[:2])} & PULUMI_COMMANDS, words
        else:
            assert words[0] in OTHER_PROGRAMS or (PROJECT_DIRECTORY / words[0]).exists(), words
        for word in words[1:]:
            if word.startswith(("sites/", "images/")) and "$" not in word:
                assert (PROJECT_DIRECTORY / word).exists(), word


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_shell_blocks_are_shell(page: Path) -> None:
    for block in blocks(page.read_text(), "sh"):
        assert subprocess.run(["bash", "-n"], input=block, text=True, timeout=10).returncode == 0, block


def alternatives(block: str) -> list[str]:
    return re.split(r"^# or\b.*$", block, flags=re.MULTILINE)


def test_alternatives_are_each_a_part() -> None:
    parts = alternatives("swarmhub:tls: { issuer: none }\n# or, later\nswarmhub:tls: {}\n")
    assert [yaml.safe_load(part) for part in parts] == [
        {"swarmhub:tls": {"issuer": "none"}},
        {"swarmhub:tls": {}},
    ]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_example_hides_from_the_checks(page: Path) -> None:
    outside = re.sub(r"^( *)```\w+\n.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^ {4,}(?:swarmhub:|bin/|pulumi |make |sudo ).*", outside, re.MULTILINE) == []


def merged(into: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        inner = isinstance(value, dict) and isinstance(into.get(name), dict)
        into[name] = merged(into[name], value) if inner else value
    return into


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_parts_of_stack_files_are_accepted(page: Path) -> None:
    for part in (each for block in blocks(page.read_text(), "yaml") for each in alternatives(block)):
        sections = yaml.safe_load(part)
        changes = {
            name.removeprefix("swarmhub:"): {key: plain(value) for key, value in section.items()}
            for name, section in sections.items()
        }
        existing = changes.get("site", {}).get("kind") == "existing"
        whole = host_config() if existing else dev_config(hub__groups={"instructors": ["ada"]})
        if existing and "storage" in changes:
            whole["storage"] = {}
        if "issuer" in changes.get("tls", {}):
            whole["tls"] = {}
        login = changes.get("hub", {}).get("login")
        if isinstance(login, dict) and "client_id" in login:
            # No page holds a secret: it is set by pulumi config set.
            login["client_secret"] = "kept-elsewhere"
        # As in the files of sites/: what is not named is built.
        del whole["hub"]["images"]
        read_settings(merged(whole, changes))


def plain(value: Any) -> Any:
    """As Pulumi hands it over: dates as texts."""
    return value if isinstance(value, dict | list | int | float | str) else str(value)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_keys_that_pages_name_exist(page: Path) -> None:
    keys = keys_of(Settings)
    for section, rest in re.findall(r"`([a-z]+)\.([a-z_.]+)(?::[^`]*)?`", page.read_text()):
        spec = keys.get(section)
        if spec is None:
            continue
        for name in rest.split("."):
            assert spec is not None and spec.section is not None, f"{section}.{rest}"
            spec = keys_of(spec.section).get(name)
        assert spec is not None, f"{section}.{rest}"
