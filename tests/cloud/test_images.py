"""Images that `up` builds on the manager and hands to the workers.

One stack goes through it: a student's environment from a requirements.txt, and another version of it while a
server runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from scripts.progress import Progress
from scripts.stack import Stack
from tests.cloud.course import Course, ending
from tests.cloud.machines import Machine, find_machines
from tests.cloud.students import Notebook
from tests.support.phases import Phases
from tests.support.wheels import requirements_files

USER_IMAGE = "swarmhub/user:dev"
PRINT_VERSION = "import tiny; print(tiny.version)"
LIST_TAGS = "docker image ls --format '{{.Repository}}:{{.Tag}}'"


class BuildingCourse(Course):
    """One whose images change."""

    subject = "images"

    def __init__(
        self, make_stack: Callable[..., Stack], connection: Connection, phases: Phases, directory: Path
    ) -> None:
        super().__init__(make_stack, connection, phases)
        self.directory = directory
        self.take(self._offer)

    def _offer(self, config: dict[str, Any]) -> None:
        hub = config["swarmhub:hub"]
        del hub["images"]["user"]
        hub["environments"] = [
            {"name": "Plain", "image": USER_IMAGE},
            {"name": "Tiny", "build": str(self.directory), "image": USER_IMAGE, "default": True},
        ]

    def write(self, version: str) -> None:
        """Have that version of the package in the directory of the environment."""
        self.directory.mkdir(exist_ok=True)
        for old in self.directory.iterdir():
            old.unlink()
        for name, content in requirements_files(version).items():
            (self.directory / name).write_bytes(content)

    @property
    def machines(self) -> dict[str, Machine]:
        return find_machines(self.stack)

    def built_images(self, machine: str) -> list[str]:
        """The environment's images on a machine, which are named after the swarm's registry."""
        tags = self.machines[machine].run(LIST_TAGS).split()
        return sorted(each for each in tags if ":5000/tiny:" in each)


@pytest.fixture(scope="module")
def course(
    make_stack: Callable[..., Stack],
    connection: Connection,
    request: pytest.FixtureRequest,
    phases: Phases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BuildingCourse]:
    directory = tmp_path_factory.mktemp("environments") / "tiny"
    with ending(BuildingCourse(make_stack, connection, phases, directory), request.config) as course:
        yield course


@pytest.fixture(scope="module")
def first(course: BuildingCourse) -> list[str]:
    """Up with the first version; its image as the manager has it."""
    course.write("1.0")
    course.change("up", "up with a built environment")
    return course.built_images("manager")


@pytest.fixture(scope="module")
def notebook(course: BuildingCourse, first: list[str], phases: Phases) -> Notebook:
    with phases.phase("images: a student's server and kernel"):
        return Notebook.start(course.stack, "grace")


@pytest.fixture(scope="module")
def changed(course: BuildingCourse, notebook: Notebook) -> Progress:
    """Up with another version while a student works in the first."""
    course.write("2.0")
    return course.change("up", "up with a changed environment")


def test_a_student_works_in_an_image_that_up_has_built(
    course: BuildingCourse, first: list[str], notebook: Notebook
) -> None:
    assert len(first) == 1
    assert course.built_images("worker-1") == first
    assert notebook.run(PRINT_VERSION) == "1.0\n"


def test_a_changed_directory_is_a_new_image_and_running_servers_stay(
    course: BuildingCourse, first: list[str], notebook: Notebook, changed: Progress
) -> None:
    there = course.built_images("worker-1")
    assert len(there) == 2
    assert set(there) > set(first)
    assert notebook.run(PRINT_VERSION) == "1.0\n"
    assert Notebook.start(course.stack, "alan").run(PRINT_VERSION) == "2.0\n"
