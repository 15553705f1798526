"""The operator's ssh key and the stack's configuration as Pulumi hands it over."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pulumi
import pytest

from live.configuration import read_secret_sections, read_stack_configuration
from live.operator_key import ensure_operator_key
from swarmhub.errors import UserError


def test_a_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    first = ensure_operator_key("dev", tmp_path)
    assert first.public.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    assert ensure_operator_key("dev", tmp_path) == first


def test_each_stack_has_its_own_key(tmp_path: Path) -> None:
    assert ensure_operator_key("a", tmp_path).private != ensure_operator_key("b", tmp_path).private


def test_a_key_pair_left_half_made_is_made_afresh(tmp_path: Path) -> None:
    directory = tmp_path / "ssh" / "dev"
    directory.mkdir(parents=True)
    (directory / "new").write_text("half")
    private = ensure_operator_key("dev", tmp_path).private or ""
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_without_ssh_keygen_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install openssh-client"):
        ensure_operator_key("dev", tmp_path)


@pytest.fixture
def _configuration() -> object:
    yield
    pulumi.runtime.set_all_config({}, [])


@pytest.mark.usefixtures("_configuration")
def test_sections_of_the_project_are_parsed_and_others_left_alone() -> None:
    pulumi.runtime.set_all_config({"swarmhub:hub": json.dumps({"domain": "x"}), "openstack:cloud": "y"})
    assert read_stack_configuration("swarmhub") == {"hub": {"domain": "x"}}


@pytest.mark.usefixtures("_configuration")
def test_a_section_that_is_a_bare_word_is_left_to_the_settings() -> None:
    pulumi.runtime.set_all_config({"swarmhub:hub": "spring"})
    assert read_stack_configuration("swarmhub") == {"hub": "spring"}


def test_sections_with_something_encrypted_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["swarmhub:hub", "openstack:password"]))
    assert read_secret_sections("swarmhub") == {"hub"}
    monkeypatch.delenv("PULUMI_CONFIG_SECRET_KEYS")
    assert read_secret_sections("swarmhub") == frozenset()
