"""From nothing to a hub that a student works in, and back; the tests build on each other in order."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from playwright.sync_api import Page, expect

from rehearsal.paths import CLIENT
from scripts.paths import TEST_RESULTS
from scripts.progress import Progress
from scripts.stack import ChangeFailed, Stack
from swarmhub.errors import UserError
from tests.cloud.conftest import CLOUD, configuration_for_tests, on_manager
from tests.cloud.inventory import list_project
from tests.cloud.lab import SERVER_TIMEOUT_SECONDS, Student
from tests.support.phases import Phases

STUDENT = "student1"
NOTEBOOK = "first-light.ipynb"
KEPT_FILE = "kept.txt"
CELL = f"""\
import pathlib
pathlib.Path("{KEPT_FILE}").write_text("kept")
print(6 * 7)"""
INTERRUPT_TIMEOUT_SECONDS = 120
MakeStack = Callable[[str, dict[str, Any], dict[str, str]], Stack]


def interrupt_while_creating_a_machine(stack: Stack, signal_number: int) -> None:
    """Run `up` and send pulumi that signal as soon as it has asked for a virtual machine."""
    trouble: list[str] = ["it never asked for a machine"]

    def interrupt() -> None:
        deadline = time.monotonic() + INTERRUPT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                pending = stack.pulumi.export()["deployment"].get("pending_operations") or ()
                if any(operation["resource"]["type"].endswith(":Instance") for operation in pending):
                    [lock] = stack.pulumi.locks()
                    os.kill(lock.pid, signal_number)
                    trouble.clear()
                    return
            except (UserError, ValueError, TypeError) as error:
                # The state is being written all the while: a look at the wrong moment fails.
                trouble[:] = [str(error)]
            time.sleep(0.5)

    interrupter = threading.Thread(target=interrupt, daemon=True)
    interrupter.start()
    with pytest.raises(ChangeFailed):
        stack.change("up")
    interrupter.join(timeout=INTERRUPT_TIMEOUT_SECONDS)
    assert trouble == []


@pytest.fixture(scope="session")
def killed_up(stack: Stack, connection: Connection, phases: Phases) -> list[str]:
    """A first `up` that is killed while it makes machines; what it left in the project."""
    with phases.phase("pulumi up, killed"):
        interrupt_while_creating_a_machine(stack, signal.SIGKILL)
    return list_project(connection)


@pytest.fixture(scope="session")
def first_up(stack: Stack, killed_up: list[str], phases: Phases) -> Progress:
    """The `up` that everything else looks at; it finishes what the killed one began."""
    with phases.phase("mend"):
        stack.mend(cloud=CLOUD)
    with phases.phase("pulumi up"):
        progress = stack.change("up")
    for stage, span in progress.report_stages():
        phases.seconds[f"  {stage} ({span.begin:.0f} to {span.end:.0f})"] = span.end - span.begin
    return progress


def expect_refusal(stack: Stack, connection: Connection, sentence: str) -> None:
    """`up` must fail with one sentence of that beginning, and have created nothing."""
    before = list_project(connection)
    with pytest.raises(ChangeFailed) as failure:
        stack.change("up")
    assert len(failure.value.errors) == 1
    assert failure.value.errors[0].startswith(sentence)
    assert "\n" not in failure.value.errors[0]
    assert "Traceback" not in stack.log("up").read_text()
    assert stack.count_resources() == 0
    assert list_project(connection) == before
    stack.remove()


@pytest.mark.parametrize(
    ("section", "change", "sentence"),
    [
        (
            "machines",
            {"manager": "s1.larg"},
            "machines.manager: the cloud has no flavor 's1.larg'. Did you mean s1.large?",
        ),
        (
            "site",
            {"image": "debian-21"},
            "site.image: the cloud has no active image 'debian-21'. Did you mean debian-12?",
        ),
        (
            "site",
            {"external_network": "publik"},
            "site.external_network: the cloud has no external network 'publik'. Did you mean public?",
        ),
        ("site", {"network": "campus"}, "site.network: the cloud has no network 'campus'. "),
    ],
    ids=["flavor", "image", "external network", "network"],
)
def test_a_name_the_cloud_does_not_know_is_refused(
    section: str, change: dict[str, str], sentence: str, make_stack: MakeStack, connection: Connection
) -> None:
    configuration = copy.deepcopy(configuration_for_tests())
    configuration["config"][f"swarmhub:{section}"] |= change
    stack = make_stack(f"bad-{'-'.join(change)}".replace("_", "-"), configuration, {})
    expect_refusal(stack, connection, sentence)


def test_a_misspelt_key_is_refused(make_stack: MakeStack, connection: Connection) -> None:
    configuration = copy.deepcopy(configuration_for_tests())
    configuration["config"]["swarmhub:storage"]["sizegb"] = 3
    stack = make_stack("bad-key", configuration, {})
    expect_refusal(stack, connection, "storage.sizegb: ")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "bad-password",
            {"password": "wrong"},
            "credentials: the cloud at http://172.24.4.2:5000/v3 refused",
        ),
        ("no-cloud", {"auth_url": "http://172.24.4.2:9/v3"}, "cloud: http://172.24.4.2:9/v3 does not answer"),
    ],
    ids=["password", "address"],
)
def test_credentials_that_do_not_work_are_refused(
    name: str,
    change: dict[str, str],
    sentence: str,
    make_stack: MakeStack,
    connection: Connection,
    tmp_path: Path,
) -> None:
    clouds = json.loads((CLIENT / "clouds.yaml").read_text())
    clouds["clouds"][CLOUD]["auth"] |= change
    path = tmp_path / "clouds.yaml"
    path.write_text(json.dumps(clouds))
    stack = make_stack(name, configuration_for_tests(), {"OS_CLIENT_CONFIG_FILE": str(path)})
    expect_refusal(stack, connection, sentence)


def test_up_finishes_a_killed_one_and_ends_with_a_probe(
    stack: Stack, killed_up: list[str], first_up: Progress
) -> None:
    assert any(name.startswith("network ") for name in killed_up)
    outputs = stack.outputs()
    assert outputs["url"].startswith("https://hub-")
    assert "probe" in dict(first_up.report_stages())
    assert not first_up.open


def find_nodes(stack: Stack) -> dict[str, str]:
    """On which machine each running task of the swarm is, by the task's name."""
    form = "{{.Name}} {{.Node}}"
    script = f"docker node ps --filter desired-state=running --format '{form}' $(docker node ls -q)"
    return dict(line.split() for line in on_manager(stack, script).splitlines())


def test_a_student_works_in_the_browser(stack: Stack, first_up: Progress, page: Page, phases: Phases) -> None:
    outputs = stack.outputs()
    student = Student(
        page=page,
        url=outputs["url"],
        name=STUDENT,
        password=outputs["user_password"],
        pictures=TEST_RESULTS,
    )
    with phases.phase("browser: log in, JupyterLab"):
        student.log_in()
        student.await_lab()
        student.picture("lab")
    with phases.phase("browser: first cell, save"):
        answer = student.run_cell(CELL)
        notebook = student.save_notebook(NOTEBOOK)
        student.picture("cell")
    assert answer.split()[0] == "42"
    nodes = find_nodes(stack)
    assert nodes[f"user-{STUDENT}.1"] == "worker-1"
    assert nodes["hub.1"] == nodes["proxy.1"] == "manager"
    with phases.phase("browser: stop the server"):
        student.stop_server()
    with phases.phase("browser: start it again"):
        student.start_server()
        student.listed(KEPT_FILE).wait_for(timeout=SERVER_TIMEOUT_SECONDS * 1000)
    expect(student.listed(notebook)).to_be_visible()
    assert student.read_file(KEPT_FILE) == "kept"
    student.picture("kept")


def test_a_second_up_changes_nothing(stack: Stack, first_up: Progress, phases: Phases) -> None:
    with phases.phase("pulumi up, nothing changed"):
        progress = stack.change("up", "--expect-no-changes")
    assert set(progress.counts) == {"unchanged"}


def test_destroy_leaves_nothing(
    stack: Stack, first_up: Progress, connection: Connection, phases: Phases
) -> None:
    with phases.phase("pulumi destroy"):
        stack.change("destroy")
    assert stack.count_resources() == 0
    assert list_project(connection) == []


def test_an_interrupted_up_can_be_destroyed(
    stack: Stack, first_up: Progress, connection: Connection, phases: Phases
) -> None:
    with phases.phase("pulumi up, interrupted"):
        interrupt_while_creating_a_machine(stack, signal.SIGINT)
    assert list_project(connection) != []
    with phases.phase("mend and destroy"):
        stack.mend(cloud=CLOUD)
        stack.change("destroy")
    assert list_project(connection) == []
