"""What every tier shares: a clean environment and golden files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
LIVE_PREFIXES = ("OS_", "PULUMI_", "DOCKER_", "SWARMHUB_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden/ from what the tests render"
    )
    parser.addoption(
        "--last-images",
        action="store_true",
        help="tests/swarm, tests/existing: use the images built last, with the hub's package from the source "
        "laid over them",
    )


@pytest.fixture(autouse=True)
def _no_live_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own cloud, stacks and Docker out of reach, except of the tier that needs them."""
    if any(request.node.get_closest_marker(marker) for marker in ("cloud", "swarm", "existing")):
        return
    for name in list(os.environ):
        if name.startswith(LIVE_PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name under tests/golden/; --update-golden rewrites it instead."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"{path} is missing: run pytest --update-golden and read what it writes"
        assert text == path.read_text()

    return compare
