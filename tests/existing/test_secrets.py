"""Secrets of the logins, and all others, while `up` carries them: on these machines every process is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts.stack import Stack
from tests.existing.conftest import DOMAIN, Lab
from tests.support.certificates import Authority
from tests.support.secrecy import (
    LOOK,
    SECTIONS,
    SECTIONS_OF_A_MANAGER,
    export_in_plain,
    generated_secrets,
    hits,
    lines_of,
    sections,
    watched_processes,
)

MARKER = "a-file-that-is-looked-at"
CLIENT_SECRET = "a-clients-secret-for-tests"
PEOPLE = ("grace", "alan")
ROSTER, PROVIDER = "by a roster", "by a provider, certificate from files"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What there was to see by the kind of login: processes during `up`, and the machines after it."""

    processes: dict[str, set[str]] = field(default_factory=dict)
    machines: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def roster_passwords(stack: Stack) -> list[str]:
    return [each["password"] for each in stack.outputs()["roster"] if each["user"] in PEOPLE]


@pytest.fixture(scope="module")
def looked(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    """Up with one kind of login, then with another."""
    files = tmp_path_factory.mktemp("secrets")
    (files / "roster.csv").write_text("".join(f"{name}\n" for name in PEOPLE))
    authority = Authority.make(files)
    certificate, key = authority.issue(DOMAIN)
    roster = {"kind": "roster", "roster_file": str(files / "roster.csv")}
    provider = {"kind": "github", "client_id": "workshop", "allowed_users": list(PEOPLE)}
    given = {
        "issuer": "files",
        "certificate_file": str(certificate),
        "key_file": str(key),
        "trusted_ca_file": str(authority.certificate),
    }
    looked = Looked()

    def look(kind: str, stack: Stack) -> None:
        with watched_processes() as looked.processes[kind]:
            stack.change("up")
        for each in lab.machines[:2]:
            each.run("sh", "-c", f"echo {MARKER} >/tmp/marker")
        looked.machines[kind] = {each.name: each.run("bash", "-c", LOOK) for each in lab.machines[:2]}
        for where, text in generated_secrets(export_in_plain(stack)).items():
            looked.secrets.update(dict.fromkeys(lines_of(text), where))

    stack = lab.with_workers(1, hub__login=roster)
    try:
        look(ROSTER, stack)
        looked.secrets.update(dict.fromkeys(roster_passwords(stack), "roster"))
        stack = lab.with_workers(1, hub__login=provider, tls=given)
        stack.set_secret("hub.login.client_secret", CLIENT_SECRET)
        look(PROVIDER, stack)
        looked.secrets[CLIENT_SECRET] = "client secret"
        looked.secrets.update(dict.fromkeys(lines_of(key.read_text()), "given key"))
        looked.secrets.update(dict.fromkeys(lines_of(lab.key_file.read_text()), "operator's key"))
        yield looked
    finally:
        if stack.count_resources():
            stack.change("destroy")


def test_there_are_secrets_to_look_for(looked: Looked) -> None:
    kinds = {where.partition(".")[0] for where in looked.secrets.values()}
    assert kinds >= {
        "hub-probe-token",
        "hub-proxy-token",
        "swarm-manager",
        "roster",
        "client secret",
        "given key",
    }
    assert len([where for where in looked.secrets.values() if where == "roster"]) == len(PEOPLE)


def test_no_process_shows_a_secret_while_up_carries_it(looked: Looked) -> None:
    for kind, processes in looked.processes.items():
        text = "\n".join(processes)
        # What runs on the machines is among them, as are the programs that carry secrets there.
        assert "pulumi" in text and "sudo -n timeout" in text, kind
        assert kind != ROSTER or "docker swarm" in text
        assert hits(looked.secrets, text, kind) == []


def test_no_secret_is_seen_on_a_machine(looked: Looked) -> None:
    for kind, machines in looked.machines.items():
        for name, text in machines.items():
            there = {section for section, content in sections(text).items() if content.strip()}
            wanted = SECTIONS | (SECTIONS_OF_A_MANAGER if name == "machine-1" else set())
            # These machines have no processes of their own to list, and may log to the journal alone.
            assert there >= wanted - {"processes", "/var/log"}, f"{kind}, {name}: too little was looked at"
            assert MARKER in sections(text)["temporary files"]
            assert hits(looked.secrets, text, f"{name}, {kind}") == []


def test_no_secret_is_plain_in_state_or_logs(lab: Lab, looked: Looked) -> None:
    stack = lab.stack
    passphrase = Path(stack.environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    files = [path for path in stack.state.rglob("*") if path.is_file() and path != passphrase]
    assert any(path.suffix == ".json" and "stacks" in path.parts for path in files)
    found = [
        hit
        for path in files
        for hit in hits(looked.secrets, path.read_bytes().decode(errors="replace"), str(path))
    ]
    assert found == []
