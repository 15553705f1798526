"""``hub.images.push``: its keys, the names there, and the step with a docker command that fails as told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from swarmhub.errors import UserError
from swarmhub.settings import read_settings
from swarmhub.text import NODE_DIRECTORY
from tests.support.stacks import dev_config

PASSWORD = "t0ken"
REPOSITORY = "registry.example.org/spring-school"
COMPLETE = {"repository": REPOSITORY, "user": "robot$hub", "password": PASSWORD}


def refusal(push: Any, secret_sections: tuple[str, ...] = ("hub",), **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_settings(
            dev_config(**{"hub__images__hub": None, "hub__images__push": push, **changes}),
            secret_sections=secret_sections,
        )
    return str(caught.value).splitlines()


SET = "pulumi config set --secret --path 'swarmhub:hub.images.push.password'"
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"repository": REPOSITORY, "user": "robot"},
        f"hub.images.push.password: this key is missing. hub.images.push.user is robot. Run {SET}.",
    ),
    (
        {"repository": REPOSITORY, "password": PASSWORD},
        (
            "hub.images.push.user: this key is missing. hub.images.push.password is set. "
            "Set it to the account that the password is of."
        ),
    ),
    (
        {"user": "robot", "password": PASSWORD},
        (
            "hub.images.push.repository: this key is missing. Set it: registry and path, such as "
            "registry.example.org/spring-school, below which each image has its name."
        ),
    ),
]


@pytest.mark.parametrize(("push", "sentence"), REFUSED)
def test_half_an_account_is_refused(push: dict[str, Any], sentence: str) -> None:
    assert refusal(push) == [sentence]


@pytest.mark.parametrize(
    "repository",
    ["spring-school", "https://registry.example.org", "registry.example.org/", "r.org/A", "r.org/a:1"],
)
def test_what_names_no_registry_is_refused(repository: str) -> None:
    [line] = refusal({**COMPLETE, "repository": repository})
    assert line.startswith(f"hub.images.push.repository: '{repository}' is not accepted.")


@pytest.mark.parametrize(
    "repository", ["registry.example.org", "localhost:5000/a", "docker.io/school", "r.org/a/b-c"]
)
def test_registries_are_accepted(repository: str) -> None:
    settings = read_settings(dev_config(hub__images__hub=None, hub__images__push={"repository": repository}))
    assert settings.hub.images.push is not None
    assert settings.hub.images.push.name_of("swarmhub/hub:1") == f"{repository}/hub:1"


def test_a_password_in_plain_is_refused_and_never_shown() -> None:
    [line] = refusal(COMPLETE, secret_sections=())
    assert line == (
        "hub.images.push.password: it stands unencrypted in the stack file. "
        f"Remove it there, run {SET}, and have the registry make a new one."
    )
    settings = read_settings(dev_config(hub__images__hub=None, hub__images__push=COMPLETE))
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize(
    "named",
    [
        {"hub__images__hub": "swarmhub/hub:dev"},
        # No certificate is ordered, so no ACME client is built either.
        {"hub__images__hub": "swarmhub/hub:dev", "hub__images__acme": None, "tls": {"issuer": "none"}},
    ],
    ids=["each image is named", "what is not named is not needed"],
)
def test_nothing_to_push_is_said(named: dict[str, Any]) -> None:
    [line] = refusal(COMPLETE, **named)
    assert line == (
        "hub.images.push: there is nothing to push. "
        "Each image that is needed is named, so that none is built. Remove it."
    )


# `docker login` takes the one password; `docker push` fails as often as $FAILURES has lines. All calls are
# written down, and the file that the client keeps is made, of which the step is to leave nothing.
DOCKER = """#!/bin/bash
if [[ $1 == --config ]]; then config=$2; shift 2; fi
echo "$*" >> "$CALLS"
case $1 in
  login)
    echo "$config" > "$CONFIG"
    touch "$config/config.json"
    [[ $(cat) == t0ken ]] || { echo "Error: unauthorized" >&2; exit 1; } ;;
  tag | image) ;;
  push)
    sleep "${PUSH_TAKES:-0}"
    if [[ -s $FAILURES ]]; then
      head -n 1 "$FAILURES" >&2
      sed -i 1d "$FAILURES"
      exit 1
    fi ;;
  *) exit 99 ;;
esac
"""
HERE, THERE = "swarmhub/hub:1", f"{REPOSITORY}/hub:1"
TAKEN_AWAY = f"image rm --no-prune {THERE}"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    for name in ("calls", "failures", "config"):
        (tmp_path / name).write_text("")
    return tmp_path


def push(machine: Path, *user: str, password: str = "", limit_seconds: int = 60, **environment: str) -> Any:
    return subprocess.run(
        [NODE_DIRECTORY / "push-image.sh", str(limit_seconds), HERE, THERE, *user],
        env={
            "PATH": f"{machine}/bin:{os.environ['PATH']}",
            **{name.upper(): str(machine / name) for name in ("calls", "failures", "config")},
            "RETRY_SECONDS": "0",
            **environment,
        },
        input=password,
        capture_output=True,
        text=True,
        timeout=30,
    )


def calls(machine: Path) -> list[str]:
    return (machine / "calls").read_text().splitlines()


def test_an_image_is_pushed_with_an_account_of_which_nothing_stays(machine: Path) -> None:
    ran = push(machine, "robot", password=PASSWORD)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"image {THERE}: pushed in ")
    assert calls(machine) == [
        "login --username robot --password-stdin registry.example.org",
        f"tag {HERE} {THERE}",
        f"push --quiet {THERE}",
        TAKEN_AWAY,
    ]
    assert not Path((machine / "config").read_text().strip()).exists()


def test_nobody_logs_in_without_an_account(machine: Path) -> None:
    assert push(machine).returncode == 0
    assert calls(machine) == [f"tag {HERE} {THERE}", f"push --quiet {THERE}", TAKEN_AWAY]


def test_a_wrong_password_is_said(machine: Path) -> None:
    ran = push(machine, "robot", password="wrong")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"image {THERE}: registry.example.org does not let robot in: Error: unauthorized. "
        "Check hub.images.push and its password\n"
    )
    assert not Path((machine / "config").read_text().strip()).exists()


def test_a_registry_that_is_away_for_a_moment_is_asked_again(machine: Path) -> None:
    (machine / "failures").write_text("EOF\nEOF\n")
    assert push(machine).returncode == 0
    assert calls(machine).count(f"push --quiet {THERE}") == 3


def test_a_registry_that_refuses_is_said(machine: Path) -> None:
    (machine / "failures").write_text("denied: no\n" * 3)
    ran = push(machine)
    assert (ran.returncode, ran.stderr) == (
        1,
        (
            f"image {THERE}: registry.example.org does not take it: denied: no. "
            "Check hub.images.push, and what the account may do there\n"
        ),
    )


def test_a_slow_registry_is_not_waited_for_without_end(machine: Path) -> None:
    ran = push(machine, limit_seconds=1, PUSH_TAKES="20")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"image {THERE}: not pushed within 1 s.")
