"""Hub and proxy are killed while a student works; both come back, and the student's server was never gone."""

from __future__ import annotations

import aiohttp
import pytest

from live.jupyter import JupyterError
from scripts.stack import Stack
from tests.cloud.machines import Machine, ask_health, await_hub, find_machines
from tests.cloud.students import Notebook
from tests.support.phases import Phases
from tests.support.waiting import wait_until

# Emulated machines take half a minute to start a hub.
BACK_SECONDS = 240
KILL = "docker kill $(docker ps --quiet --filter name=^{service}\\.)"


@pytest.fixture(scope="module")
def manager(deployed: Stack) -> Machine:
    return find_machines(deployed)["manager"]


@pytest.fixture(scope="module")
def notebook(deployed: Stack, phases: Phases) -> Notebook:
    """It runs on: what is tried after these tests has a student at work."""
    with phases.phase("a student's server and kernel"):
        started = Notebook.start(deployed, "alan")
    started.run("x = 6")
    return started


def test_a_kernel_computes_while_the_hub_is_away(
    deployed: Stack, manager: Machine, notebook: Notebook, phases: Phases
) -> None:
    manager.run(KILL.format(service="hub"))
    assert notebook.run("print(x * 7)") == "42\n"
    # It was still away when the kernel had answered.
    assert manager.run(ask_health(deployed)) == "503"
    with phases.phase("the hub comes back"):
        await_hub(deployed, manager, BACK_SECONDS)
    assert notebook.knows_me()


def test_a_new_proxy_gets_its_routes_from_the_hub(
    deployed: Stack, manager: Machine, notebook: Notebook, phases: Phases
) -> None:
    manager.run(KILL.format(service="proxy"))

    def computes() -> bool:
        try:
            return notebook.run("print(x * 7)") == "42\n"
        except (aiohttp.ClientError, JupyterError, TimeoutError):
            return False

    with phases.phase("a proxy comes back with its routes"):
        wait_until(computes, seconds=BACK_SECONDS, what=lambda: "no answer from the kernel")
