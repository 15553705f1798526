"""Images that `up` builds on the manager and hands to the workers.

One stack goes through it: a student's environment from a requirements.txt, then another version of it while a
server runs, with nginx's own image built too, and all of that pushed to a registry that asks for an account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.progress import Progress
from swarmhub.settings.push import PASSWORD_KEY
from swarmhub.text import FRONT_DOOR_CONTAINER
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.machines import Machine, find_machines
from tests.cloud.students import Notebook
from tests.support import outside_registry
from tests.support.phases import Phases
from tests.support.wheels import requirements_files

USER_IMAGE = "swarmhub/user:dev"
PRINT_VERSION = "import tiny; print(tiny.version)"
# A base that has nginx, and a list of no sources: the build of nginx's image asks nobody for packages.
FRONT_DOOR_BASE = "swarmhub/front-door:dev"
PACKAGE_SOURCES = "/etc/swarmhub-build-secrets/sources.list"
LIST_TAGS = "docker image ls --format '{{.Repository}}:{{.Tag}}'"


class BuildingCourse(Course):
    """One whose images change."""

    subject = "images"

    def __init__(self, given: Surroundings, directory: Path) -> None:
        super().__init__(given)
        self.directory = directory
        self.take(self._offer)

    def build_more_and_push(self) -> None:
        """Have nginx's image built too, and all that is built pushed to the registry outside."""

        def change(config: dict[str, Any]) -> None:
            self._offer(config)
            images = config["swarmhub:hub"]["images"]
            del images["front_door"]
            images["base"] = FRONT_DOOR_BASE
            images["push"] = {
                "repository": f"{outside_registry.ADDRESS}/school",
                "user": outside_registry.ACCOUNT,
            }

        self.take(change)
        self.stack.set_secret(PASSWORD_KEY, outside_registry.PASSWORD)

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

    def start_outside_registry(self) -> None:
        """Run one on the manager that the stack knows nothing of."""
        lines = ["set -e", "directory=$(mktemp -d)"]
        for name, content in outside_registry.FILES.items():
            lines.append(f"cat >$directory/{name} <<'END'\n{content}END")
        directory = outside_registry.DIRECTORY
        mounts = " ".join(
            f"--volume $directory/{name}:{directory}/{name}:ro" for name in outside_registry.FILES
        )
        lines.append(f"docker run --detach --network host {mounts} {outside_registry.IMAGE}")
        self.machines["manager"].run("\n".join(lines))

    def pushed_tags(self, image: str) -> list[str]:
        """The tags that the registry outside has of an image."""
        ask = " ".join(outside_registry.ask_for_tags(f"school/{image}"))
        tags: list[str] = json.loads(self.machines["manager"].run(ask))["tags"]
        return sorted(tags)

    def built_images(self, machine: str) -> list[str]:
        """The environment's images on a machine, which are named after the swarm's registry."""
        tags = self.machines[machine].run(LIST_TAGS).split()
        return sorted(each for each in tags if ":5000/tiny:" in each)


@pytest.fixture(scope="module")
def course(surroundings: Surroundings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildingCourse]:
    directory = tmp_path_factory.mktemp("environments") / "tiny"
    with ending(BuildingCourse(surroundings, directory)) as course:
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
    """Up with another version, nginx's own image and a registry to push to, while a student works."""
    course.write("2.0")
    course.start_outside_registry()
    manager = course.machines["manager"]
    manager.run(f"install -D /dev/null {PACKAGE_SOURCES}")
    course.build_more_and_push()
    return course.change("up", "up with a changed environment, nginx's image built, all pushed")


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


def test_nginx_runs_from_an_image_that_the_manager_has_built(
    course: BuildingCourse, changed: Progress
) -> None:
    manager = course.machines["manager"]
    image = manager.run(f"docker inspect --format '{{{{.Config.Image}}}}' {FRONT_DOOR_CONTAINER}").strip()
    assert image.startswith("swarmhub/front-door:")
    listed = manager.run(
        f"docker image inspect --format '{{{{json .RootFS.Layers}}}}' {image} {FRONT_DOOR_BASE}"
    )
    own, base = map(json.loads, listed.splitlines())
    assert own[: len(base)] == base
    assert len(own) > len(base)
    course.expect_no_changes()


def test_what_was_built_is_at_the_registry_outside(
    course: BuildingCourse, first: list[str], changed: Progress
) -> None:
    (image,) = set(course.built_images("worker-1")) - set(first)
    assert course.pushed_tags("tiny") == [image.rpartition(":")[2]]
    manager = course.machines["manager"]
    tags = manager.run("docker image ls --format '{{.Tag}}' swarmhub/front-door").split()
    assert course.pushed_tags("front-door") == sorted(set(tags) - {"dev"})
    # Nothing of the account is left, and nobody without it gets the image.
    refused = manager.run(
        f"docker pull {outside_registry.ADDRESS}/school/tiny:{image.rpartition(':')[2]} 2>&1 || true"
    )
    assert "no basic auth credentials" in refused
