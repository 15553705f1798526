"""What the operator's commands know of a deployed stack, and how they reach its manager."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from live.deployment import Manager, read_deployment
from swarmhub.errors import UserError

MANAGER = Manager(
    address="192.0.2.7", user="debian", private_key_file="/keys/id", host_key="ssh-ed25519 HOSTKEY"
)
Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a shell script of that name first on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def install(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    return install


def test_the_manager_is_believed_by_the_key_it_was_given_alone() -> None:
    words = MANAGER.ssh()
    assert words[-1] == "debian@192.0.2.7"
    assert "StrictHostKeyChecking=yes" in words
    assert "KnownHostsCommand=/bin/echo %H ssh-ed25519 HOSTKEY" in words


def test_a_command_runs_as_root_with_its_words_kept_apart(program: Program) -> None:
    program("ssh", 'printf "%s\\n" "${@: -1}"; cat')
    assert MANAGER.run(["echo", "a b"], input_text="input") == "sudo -n echo 'a b'\ninput"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo first >&2; echo 'Connection refused' >&2; exit 255",
            "manager 192.0.2.7: Connection refused. ",
        ),
        ("echo 'no such quota' >&2; exit 3", "manager 192.0.2.7: xfs_quota failed there: no such quota. "),
        ("exec sleep 5", "manager 192.0.2.7: xfs_quota was not done after 0 s. "),
    ],
)
def test_a_failure_is_a_sentence_with_the_ssh_line(script: str, sentence: str, program: Program) -> None:
    program("ssh", script)
    with pytest.raises(UserError) as caught:
        MANAGER.run(["xfs_quota"], timeout_seconds=0.4)
    assert str(caught.value).startswith(sentence)
    assert "debian@192.0.2.7" in str(caught.value)


def test_a_stack_is_read_by_its_outputs(program: Program) -> None:
    outputs = {"url": "https://hub.example.org", "manager": vars(MANAGER)}
    program("pulumi", f"[[ $* == *--show-name* ]] && echo spring || echo '{json.dumps(outputs)}'")
    deployment = read_deployment(None)
    assert deployment.stack == "spring"
    assert deployment.manager == MANAGER


def test_a_stack_that_is_not_up_is_a_sentence(program: Program) -> None:
    program("pulumi", "echo '{}'")
    with pytest.raises(UserError, match=r"stack spring: it is not up\. Run pulumi up --stack spring"):
        read_deployment("spring")


def test_pulumis_own_words_are_passed_on(program: Program) -> None:
    program("pulumi", "echo \"error: no stack named 'spring' found\" >&2; exit 255")
    with pytest.raises(UserError, match="pulumi stack output: no stack named 'spring' found"):
        read_deployment("spring")
