"""A native swarm with the real hub and proxy on it, students, and what is kept of a failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from rehearsal import containers, native_swarm
from rehearsal.cloud import LOCK
from rehearsal.host import lock
from rehearsal.native_swarm import Swarm, running_swarm
from scripts.paths import TEST_RESULTS
from tests.support.native_hub import NativeHub
from tests.support.student import Student

HUB_CONFIG = Path(__file__).with_name("hub_config.py")
MakeStudent = Callable[[str], Student]
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("swarm")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.config.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest) -> Path:
    if request.config.getoption("--last-images"):
        return containers.STORE
    with lock(LOCK, "container images"):
        return containers.build()


@pytest.fixture(scope="session")
def swarm(store: Path, request: pytest.FixtureRequest) -> Iterator[Swarm]:
    with running_swarm(store) as swarm:
        try:
            yield swarm
        finally:
            if request.config.stash.get(FAILED, False):
                TEST_RESULTS.mkdir(exist_ok=True)
                for node in swarm.nodes:
                    (TEST_RESULTS / f"{node.name}.log").write_text(node.log.read_text(errors="replace"))
    assert native_swarm.leftovers() == []


@pytest.fixture(scope="session")
def hub(swarm: Swarm, request: pytest.FixtureRequest) -> Iterator[NativeHub]:
    from_source = request.config.getoption("--last-images")
    hub = NativeHub(swarm=swarm, config=HUB_CONFIG, from_source=from_source)
    try:
        hub.start()
        yield hub
    finally:
        if request.config.stash.get(FAILED, False):
            TEST_RESULTS.mkdir(exist_ok=True)
            (TEST_RESULTS / "hub.log").write_text(hub.log())


@pytest.fixture
def student(hub: NativeHub) -> Iterator[MakeStudent]:
    """Make students; their servers are stopped after the test."""
    made: list[Student] = []

    def make(name: str) -> Student:
        made.append(hub.student(name))
        return made[-1]

    yield make
    for each in made:
        if each.running():
            each.stop()
