"""One storage machine for all tests here: a virtual machine with an XFS, set up as a deployment does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from rehearsal import cloud, cloud_root, guest
from rehearsal.host import lock
from swarmhub import plan as planned
from swarmhub.plan import Plan
from swarmhub.text import home_files, storage_files
from tests.support.phases import Phases
from tests.support.stacks import dev_plan
from tests.vm.machine import VOLUME_ID, VOLUME_SIZE_GB, VirtualMachine, virtual_machine

# The machine mounts its own exports.
LOOPBACK_NETWORK = "127.0.0.0/8"
DEFAULT_GB = 0.05
PLAN = dev_plan(
    storage__home_quota_gb=DEFAULT_GB,
    storage__shared_folder=True,
    storage__quota_overrides={"users": {"ada": 0.2}, "groups": {"instructors": 0.1}},
    hub__groups={"instructors": ["grace", "ada"]},
)
PHASES = pytest.StashKey[Phases]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PHASES] = Phases()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if PHASES in terminalreporter.config.stash and (rows := terminalreporter.config.stash[PHASES].seconds):
        terminalreporter.section("seconds measured in the machine")
        for name, seconds in rows.items():
            terminalreporter.write_line(f"{name:<60}{seconds:>8.2f} s")


@pytest.fixture(scope="session")
def phases(pytestconfig: pytest.Config) -> Phases:
    return pytestconfig.stash[PHASES]


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory, phases: Phases) -> Iterator[VirtualMachine]:
    """The machine after a deployment's steps."""
    # Two that build in one place take away each other's files.
    with lock(cloud.LOCK, "virtual machine"):
        cloud_root.build()
        guest.build()
    with contextlib.ExitStack() as running:
        with phases.phase("boot, until cloud-init is done"):
            machine = running.enter_context(virtual_machine(tmp_path_factory.mktemp("vm"), PLAN))
        with phases.phase("ensure-volume.sh and ensure-storage.sh, first run"):
            set_up_storage(machine)
        with phases.phase("ensure-homes.sh, first run"):
            set_up_homes(machine)
        yield machine


def set_up_storage(machine: VirtualMachine) -> str:
    """Run both steps of the file system and its export; returns what they print."""
    arguments = (VOLUME_ID, str(VOLUME_SIZE_GB), planned.MOUNT_POINT, "docker.service")
    volume = machine.step("ensure-volume.sh", arguments, ())
    files = storage_files(LOOPBACK_NETWORK, None)
    return volume + machine.step("ensure-storage.sh", (planned.MOUNT_POINT,), files)


def set_up_homes(machine: VirtualMachine, plan: Plan = PLAN) -> str:
    arguments = (planned.MOUNT_POINT, str(planned.HOME_OWNER_ID), planned.SHARED_DIRECTORY)
    return machine.step("ensure-homes.sh", arguments, home_files(plan, LOOPBACK_NETWORK))
