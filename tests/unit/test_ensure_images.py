"""node/ensure-images.sh, with a docker command that fails as told: its waits, attempts and sentences."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY

# `docker image inspect` knows what lies in $IMAGES, in each file an image's digests.
# `docker pull` brings $DIGEST, and fails as often as $FAILURES has lines.
DOCKER = """#!/bin/bash
case "$1 $2" in
  "image inspect")
    shift 2
    [[ $1 != --format ]] || shift 2
    for image; do [[ -e "$IMAGES/${image//\\//_}" ]] || exit 1; done
    for image; do echo "sha256:id-of-$image $(paste -sd ' ' "$IMAGES/${image//\\//_}");"; done ;;
  "pull --quiet")
    echo "$3" >> "$IMAGES/../pulled"
    if [[ -s $FAILURES ]]; then
      head -n 1 "$FAILURES" >&2
      sed -i 1d "$FAILURES"
      exit 1
    fi
    sleep "${PULL_TAKES:-0}"
    echo "${DIGEST:-}" > "$IMAGES/${3//\\//_}" ;;
  *) exit 99 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name in ("bin", "images"):
        (tmp_path / name).mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (tmp_path / "failures").write_text("")
    (tmp_path / "pulled").write_text("")
    return tmp_path


def ensure(machine: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [NODE_DIRECTORY / "ensure-images.sh", *arguments],
        env={
            "PATH": f"{machine}/bin:{os.environ['PATH']}",
            "IMAGES": str(machine / "images"),
            "FAILURES": str(machine / "failures"),
            "RETRY_SECONDS": "0",
            "PULLED_FILE": str(machine / "state" / "images-pulled"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    # A second may begin while it runs.
    ran.stdout = re.sub(r"(?<=: pulled in )[0-9]+ s", "0 s", ran.stdout)
    return ran


def test_what_is_here_is_not_asked_for_and_the_rest_is_pulled(machine: Path) -> None:
    (machine / "images" / "here:1").touch()
    first = ensure(machine, "60", "here:1", "example.org/r:1")
    assert (first.returncode, first.stderr) == (0, "")
    ids = "id here:1 sha256:id-of-here:1\nid example.org/r:1 sha256:id-of-example.org/r:1\n"
    assert first.stdout == f"image here:1: here already\nimage example.org/r:1: pulled in 0 s\n{ids}"
    assert (machine / "pulled").read_text() == "example.org/r:1\n"
    again = ensure(machine, "60", "here:1", "example.org/r:1")
    assert again.stdout == f"image here:1: here already\nimage example.org/r:1: here already\n{ids}"
    assert (machine / "pulled").read_text() == "example.org/r:1\n"


def test_a_registry_that_fails_twice_is_asked_again(machine: Path) -> None:
    (machine / "failures").write_text("connection reset\nconnection reset\n")
    assert ensure(machine, "60", "r:1").returncode == 0


def test_an_image_nobody_has_is_named_with_dockers_last_words(machine: Path) -> None:
    (machine / "failures").write_text("manifest unknown\n" * 3)
    failed = ensure(machine, "60", "r:1")
    assert failed.returncode == 1
    assert failed.stderr == (
        "image r:1: cannot be pulled: manifest unknown. Check the name in the stack file, the registry "
        "and the "
        "free disk space (df -h /var/lib/docker)\n"
    )


def test_a_pull_ends_with_the_limit_for_all_images(machine: Path) -> None:
    failed = ensure(machine, "1", "r:1", "python:1", PULL_TAKES="20")
    assert failed.returncode == 1
    assert failed.stderr.startswith("image r:1: not here after 1 s.")
    assert (machine / "pulled").read_text() == "r:1\n"


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("example.org:5000/r:1", "example.org:5000/r"),
        ("example.org:5000/r", "example.org:5000/r"),
        ("jupyter/r:1", "jupyter/r"),
        ("docker.io/library/python:3", "python"),
        ("example.org/r@sha256:abc", "example.org/r"),
    ],
)
def test_the_digest_of_what_came_from_a_registry_is_told(machine: Path, image: str, listed: str) -> None:
    digests = f"other.org/copy@sha256:000\n{listed}@sha256:abc"
    said = ensure(machine, "60", image, DIGEST=digests).stdout.splitlines()
    assert said == [f"image {image}: pulled in 0 s", f"digest {image} sha256:abc"]
    assert ensure(machine, "60", image).stdout.splitlines()[1:] == said[1:]


def test_another_number_pulls_once_more(machine: Path) -> None:
    pulled = machine / "pulled"
    ensure(machine, "60", "--again", "1", "r:1", DIGEST="r@sha256:old")
    again = ensure(machine, "60", "--again", "1", "r:1", DIGEST="r@sha256:new")
    assert again.stdout == "image r:1: here already\ndigest r:1 sha256:old\n"
    more = ensure(machine, "60", "--again", "2", "r:1", DIGEST="r@sha256:new")
    assert more.stdout == "image r:1: pulled in 0 s\ndigest r:1 sha256:new\n"
    assert pulled.read_text() == "r:1\nr:1\n"


def test_another_number_leaves_what_is_in_no_registry(machine: Path) -> None:
    (machine / "images" / "built:1").touch()
    (machine / "failures").write_text("no such host\n")
    again = ensure(machine, "60", "--again", "2", "built:1", "r:1", DIGEST="r@sha256:new")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines() == [
        "image built:1: as it is here, for it cannot be pulled: no such host",
        "image r:1: pulled in 0 s",
        "id built:1 sha256:id-of-built:1",
        "digest r:1 sha256:new",
    ]
    assert (machine / "pulled").read_text() == "built:1\nr:1\n"
    assert ensure(machine, "60", "--again", "2", "built:1").stdout.startswith("image built:1: here already\n")


def test_a_number_counts_only_when_all_were_pulled(machine: Path) -> None:
    (machine / "images" / "r:1").write_text("r@sha256:abc\n")
    (machine / "failures").write_text("gone\n" * 3)
    assert ensure(machine, "60", "--again", "2", "r:1").returncode == 1
    assert ensure(machine, "60", "--again", "2", "r:1").stdout.startswith("image r:1: pulled")


@pytest.mark.parametrize(
    "arguments", [(), ("60",), ("soon", "r:1"), ("60", "--again", "2"), ("60", "--again", "x", "r:1")]
)
def test_its_arguments_are_checked(machine: Path, arguments: tuple[str, ...]) -> None:
    assert ensure(machine, *arguments).stderr.startswith("usage: ensure-images.sh ")
