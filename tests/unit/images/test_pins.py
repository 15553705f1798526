"""Frozen requirements say the same as the short lists they come from, and name no place to fetch from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[3] / "images"
PYTHON_IMAGES = ("acme", "hub", "user")
JUPYTERHUB_IMAGES = ("hub", "user")
ALL_IMAGES = sorted(file.parent.name for file in IMAGES.glob("*/Dockerfile"))


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s\\]+)", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_frozen_requirements_hold_the_short_list(image: str) -> None:
    frozen = pins(IMAGES / image / "requirements.txt")
    for line in (IMAGES / image / "requirements.in").read_text().split():
        name, _, version = line.partition("==")
        assert name in frozen
        assert version in ("", frozen[name])


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_frozen_requirements_have_hashes_and_no_addresses(image: str) -> None:
    text = (IMAGES / image / "requirements.txt").read_text()
    assert text.count("==") == len(re.findall(r"== ?[^\n]*\\\n    --hash=sha256:", text))
    assert "://" not in text


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_frozen_requirements_leave_out_the_resolver_that_keeps_stale_addresses(image: str) -> None:
    assert not {"aiodns", "pycares"} & set(pins(IMAGES / image / "requirements.txt"))


def test_hub_and_servers_have_one_jupyterhub() -> None:
    versions = {pins(IMAGES / image / "requirements.txt")["jupyterhub"] for image in JUPYTERHUB_IMAGES}
    assert len(versions) == 1


def test_node_modules_are_locked_without_addresses() -> None:
    wanted = json.loads((IMAGES / "proxy" / "package.json").read_text())
    lock = json.loads((IMAGES / "proxy" / "package-lock.json").read_text())
    assert lock["packages"][""]["dependencies"] == wanted["dependencies"]
    modules = [module for path, module in lock["packages"].items() if path]
    assert all("integrity" in module and "resolved" not in module for module in modules)
    assert re.fullmatch(r"npm@[\d.]+\+sha512\.[0-9a-f]{128}", wanted["packageManager"])


@pytest.mark.parametrize("image", ALL_IMAGES)
def test_images_share_one_base(image: str) -> None:
    text = (IMAGES / image / "Dockerfile").read_text()
    assert "ARG BASE=docker.io/library/debian:13-slim\n" in text
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE)[0] == "${BASE}"
