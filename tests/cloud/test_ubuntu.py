"""Ubuntu as it comes: `up` installs Docker on its machines, and builds all images there or pulls them.

On the newest release the stack names no image: the manager fetches what builds need from where a real one
does, from Debian's archive, PyPI and npm's registry. On the one before, images come from a registry, which
stands in place of Docker Hub and has Debian's image for the builds too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from playwright.sync_api import Page

from rehearsal import docker_hub
from rehearsal.seed import upload
from rehearsal.stock_guest import JAMMY, NOBLE, StockGuest
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.credentials import application_credential
from tests.cloud.machines import Machine, await_hub, find_machines
from tests.cloud.students import Notebook
from tests.support.phases import Phases

LARGE = "s1.xlarge"
PULLED = ("acme", "front-door", "hub", "proxy", "user")
HUB_BACK_SECONDS = 400
FILL_HOME = """
import pathlib
try:
    pathlib.Path("full").write_bytes(bytes(200_000_000))
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(scope="module", params=[JAMMY, NOBLE], ids=lambda guest: guest.name)
def guest(request: pytest.FixtureRequest) -> StockGuest:
    made: StockGuest = request.param
    return made


@pytest.fixture(scope="module")
def builds(guest: StockGuest) -> bool:
    return guest is NOBLE


@pytest.fixture(scope="module")
def image(guest: StockGuest, connection: Connection, phases: Phases) -> Iterator[str]:
    """The release's name as that of an image of the project's own."""
    made = []

    def put(name: str, file: Path, kind: str, container: str, **properties: Any) -> Any:
        given = {"format": kind, "container": container, "visibility": "private", **properties}
        made.append(upload(connection, name, file, key, **given))
        return made[-1]

    with phases.phase(f"{guest.name}: image"):
        key = guest.build()
        kernel = put(f"{guest.name}-kernel", guest.parts.kernel, "aki", "aki")
        initrd = put(f"{guest.name}-initrd", guest.parts.initrd, "ari", "ari")
        boots = {"kernel_id": kernel.id, "ramdisk_id": initrd.id}
        put(guest.name, guest.parts.disk, "qcow2", "bare", **boots, **guest.properties)
    yield guest.name
    for each in reversed(made):
        connection.image.delete_image(each)


@pytest.fixture(scope="module")
def mirror(cloud_id: str, builds: bool) -> Iterator[str]:
    with docker_hub.running(() if builds else PULLED) as url:
        yield url


@pytest.fixture(scope="module")
def clouds_file(connection: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clouds.yaml with an application credential."""
    with application_credential(connection, tmp_path_factory.mktemp("credential"), "ubuntu") as file:
        yield file


class UbuntuCourse(Course):
    """One on that image, by that credential."""

    subject = "ubuntu"

    def __init__(
        self, given: Surroundings, image: str, mirror: str, clouds_file: Path, *, builds: bool
    ) -> None:
        super().__init__(given)
        self.environment = {"OS_CLIENT_CONFIG_FILE": str(clouds_file)}

        def change(config: dict[str, Any]) -> None:
            config["swarmhub:site"] |= {"image": image, "ssh_user": "ubuntu", "registry_mirror": mirror}
            if builds:
                config["swarmhub:machines"]["manager"] = LARGE
                del config["swarmhub:hub"]["images"]

        self.take(change)

    @property
    def machines(self) -> dict[str, Machine]:
        return find_machines(self.stack)


@pytest.fixture(scope="module")
def course(
    surroundings: Surroundings, image: str, mirror: str, clouds_file: Path, builds: bool
) -> Iterator[UbuntuCourse]:
    with ending(UbuntuCourse(surroundings, image, mirror, clouds_file, builds=builds)) as course:
        yield course


@pytest.fixture(scope="module")
def machines(course: UbuntuCourse, guest: StockGuest, builds: bool) -> dict[str, Machine]:
    """Up, on machines that have nothing."""
    images = "all images built" if builds else "all images pulled"
    course.change("up", f"up of {guest.name}, Docker installed, {images}")
    return course.machines


@pytest.fixture(scope="module")
def notebook(course: UbuntuCourse, machines: dict[str, Machine], phases: Phases) -> Notebook:
    with phases.phase("ubuntu: a student's server and kernel"):
        return Notebook.start(course.stack, "grace")


def test_every_machine_is_that_ubuntu_with_a_docker_that_is_not_upgraded_by_itself(
    guest: StockGuest, machines: dict[str, Machine]
) -> None:
    assert set(machines) == {"manager", "worker-1"}
    for machine in machines.values():
        assert f'VERSION_ID="{guest.version}"' in machine.run("cat /etc/os-release")
        held = machine.run("apt-mark showhold").split()
        assert {"docker.io", "containerd", "runc"} <= set(held)


def test_the_images_were_built_on_the_manager_or_pulled(builds: bool, machines: dict[str, Machine]) -> None:
    images = machines["manager"].run("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    ours = {each.rpartition(":")[0].rpartition("/")[2] for each in images if "dev" not in each}
    pulled = {each for each in images if each.endswith(":dev")}
    if builds:
        assert {"acme", "front-door", "hub", "proxy", "registry", "user"} <= ours
        assert pulled == set()
    else:
        assert pulled == {f"swarmhub/{name}:dev" for name in ("acme", "front-door", "hub", "proxy")}
    [student] = machines["worker-1"].run("docker image ls --format '{{.Repository}}'").split()
    assert student.rpartition("/")[2] == "user"


def test_a_student_works_and_the_quota_of_the_home_holds(notebook: Notebook) -> None:
    assert notebook.run("print(6 * 7)") == "42\n"
    assert notebook.run(FILL_HOME) == "No space left on device\n"


def test_a_second_up_changes_nothing(course: UbuntuCourse, notebook: Notebook) -> None:
    course.expect_no_changes()


def test_the_hub_is_there_again_after_the_manager_has_booted(
    course: UbuntuCourse, machines: dict[str, Machine], notebook: Notebook
) -> None:
    manager = machines["manager"]
    manager.reboot()
    await_hub(course.stack, manager, HUB_BACK_SECONDS)
    assert notebook.knows_me()


def test_the_login_page_is_shown(course: UbuntuCourse, notebook: Notebook, page: Page) -> None:
    page.goto(course.stack.outputs()["url"])
    assert page.get_by_label("Username").is_visible()
