"""The rehearsal cloud, a stack of its own on it, a browser, and what is kept of a failure."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from playwright.sync_api import Page, sync_playwright

from live.deployment import Manager
from rehearsal.browser import debuggable_chromium, open_session
from rehearsal.paths import CLIENT
from scripts.first_light import call_rehearsal, cloud_runs, read_cloud_id, start_cloud
from scripts.leftovers import find_traces
from scripts.paths import STATE, TEST_RESULTS
from scripts.stack import Stack, print_line, read_configuration, rehearsal_environment
from scripts.tiers import LONG_TESTS
from tests.cloud.inventory import connect, read_consoles
from tests.support.phases import Phases

CLOUD = "rehearsal-test"
SWARM_REPORT = """
docker node ls; docker service ls
for service in $(docker service ls -q); do docker service ps --no-trunc "$service"; done
for service in hub proxy; do docker service logs --tail 200 "$service"; done
docker ps -a
for container in $(docker ps -aq); do docker logs --tail 50 "$container"; done
journalctl --unit docker --lines 100 --no-pager
"""
HAVE_TIERS_OF_THEIR_OWN = {Path(each).stem for each in LONG_TESTS.values()}
PHASES = pytest.StashKey[Phases]()
FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PHASES] = Phases()


def rank(item: pytest.Item) -> int:
    """What wants an empty project first and last; between them one `up` serves all, and its end ends that."""
    if item.path.parent != Path(__file__).parent or item.path.stem == "test_doctor":
        return 0
    if item.path.stem == "test_first_light":
        return 3 if "destroy" in item.name else 1
    return 4 if item.path.stem in HAVE_TIERS_OF_THEIR_OWN else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=rank)
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("cloud")
            # openstacksdk warns of what it does itself.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.config.stash[FAILED] = True
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    phases = config.stash[PHASES]
    if phases.seconds:
        terminalreporter.section("phases")
        for row in phases.table():
            terminalreporter.write_line(row)


@pytest.fixture(scope="session")
def phases(request: pytest.FixtureRequest) -> Iterator[Phases]:
    phases = request.config.stash[PHASES]
    with phases.watch_memory():
        yield phases


@pytest.fixture(scope="session")
def cloud_id(phases: Phases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The running rehearsal cloud's id; a cloud that ran before is left running.

    One that was made from other sources is replaced, unless SWARMHUB_TEST_CLOUD=as-is.
    """
    ran_before = cloud_runs()
    options = () if os.environ.get("SWARMHUB_TEST_CLOUD") == "as-is" else ("--replace",)
    if any(item.path.stem == "test_dns" for item in request.session.items):
        options = (*options, "--dns")
    with phases.phase("rehearsal cloud start"):
        identity = read_cloud_id() if ran_before and not options else start_cloud(*options)
    yield identity
    if ran_before:
        return
    with phases.phase("rehearsal cloud stop"):
        assert call_rehearsal("stop") == 0
    assert find_traces() == []


@pytest.fixture(scope="session")
def connection(cloud_id: str) -> Connection:
    return connect(CLOUD, CLIENT / "clouds.yaml")


@pytest.fixture(scope="session")
def administrator(cloud_id: str) -> Connection:
    """The cloud as those see it who run it."""
    return connect("rehearsal-admin", CLIENT / "clouds.yaml")


def configuration_for_tests() -> dict[str, Any]:
    """The dev stack's configuration in the test project."""
    configuration = read_configuration()
    configuration["config"]["swarmhub:site"]["cloud"] = CLOUD
    return configuration


@pytest.fixture(scope="session")
def make_stack(
    cloud_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, dict[str, Any], dict[str, str]], Stack]]:
    """Make stacks with a state of their own, which goes with the test run."""
    state = tmp_path_factory.mktemp("state")
    made: list[Stack] = []

    def make(name: str, configuration: dict[str, Any], environment: dict[str, str]) -> Stack:
        own = {"PULUMI_BACKEND_URL": f"file://{state}", "OS_CLOUD": CLOUD}
        stack = Stack(
            name=name,
            environment=rehearsal_environment(state) | own | environment,
            configuration=configuration,
            state=state,
        )
        made.append(stack)
        stack.ensure()
        return stack

    yield make
    for stack in made:
        shutil.rmtree(STATE / "ssh" / stack.name, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a stack whose configuration changes is made with."""

    make_stack: Callable[..., Stack]
    connection: Connection
    phases: Phases
    config: pytest.Config


@pytest.fixture(scope="session")
def surroundings(
    make_stack: Callable[..., Stack],
    connection: Connection,
    phases: Phases,
    pytestconfig: pytest.Config,
) -> Surroundings:
    return Surroundings(make_stack=make_stack, connection=connection, phases=phases, config=pytestconfig)


@pytest.fixture(scope="session")
def stack(
    make_stack: Callable[..., Stack],
    connection: Connection,
    phases: Phases,
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """The stack under test; it is destroyed at the end whatever happened, after its logs were kept."""
    stack = make_stack(f"test-{uuid.uuid4().hex[:6]}", configuration_for_tests(), {})
    yield stack
    if request.config.stash.get(FAILED, False):
        keep_logs(stack, connection)
    if stack.exists() and stack.count_resources():
        with phases.phase("destroy, in the end"):
            stack.mend(cloud=CLOUD)
            stack.change("destroy")


@pytest.fixture(scope="session")
def deployed(stack: Stack, phases: Phases) -> Stack:
    """The stack, up: by an earlier test's `up` or by one of its own."""
    if not stack.count_resources():
        with phases.phase("pulumi up"):
            stack.change("up")
    return stack


def on_manager(stack: Stack, script: str) -> str:
    """Run a script as root on the manager; its output, also that of a failing one."""
    manager = Manager.read(stack.outputs()["manager"])
    return manager.run(["bash", "-c", "exec 2>&1; bash -s || true"], input_text=script)


def keep_logs(stack: Stack, connection: Connection) -> None:
    """Write consoles, the swarm's state and logs, and pulumi's logs to test-results."""
    directory = TEST_RESULTS / stack.name
    directory.mkdir(parents=True, exist_ok=True)
    for log in (stack.state / "logs").glob("*.log"):
        shutil.copy(log, directory)
    try:
        for name, console in read_consoles(connection).items():
            (directory / f"{name}-console.log").write_text(console)
        (directory / "swarm.log").write_text(on_manager(stack, SWARM_REPORT))
    except Exception as error:
        # What cannot be had of a broken deployment must not hide why it broke.
        print_line(f"not all logs could be had: {error}")
    print_line(f"logs: {directory}")


@pytest.fixture
def page(cloud_id: str, phases: Phases) -> Iterator[Page]:
    """A page of a browser that resolves and trusts as the rehearsal cloud's users do."""
    TEST_RESULTS.mkdir(exist_ok=True)
    with (
        open_session() as session,
        debuggable_chromium(session) as endpoint,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.connect_over_cdp(endpoint)
        page = browser.contexts[0].new_page()
        page.set_viewport_size({"width": 1280, "height": 900})
        try:
            yield page
        finally:
            page.screenshot(path=TEST_RESULTS / "last.png")
            browser.close()
