"""What an image is built from: its name by its content, its archive, and what no image can be made of."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from pathlib import Path

import pytest

from live import contexts
from live.contexts import CONTEXT_MAX_BYTES, read_contexts
from swarmhub.context import Context, ContextError, ContextFile, begun_with, pack
from swarmhub.errors import UserError
from swarmhub.plan import built_image, image_at
from swarmhub.settings import Environment
from swarmhub.settings.hub import Hub, Images

BASE = "example.org/notebook:1"
FILES = {
    "Dockerfile": ContextFile(content=b"FROM x\n"),
    "bin/run": ContextFile(content=b"#!/bin/sh\n", executable=True),
}


def unpacked(context: Context) -> dict[str, tuple[bytes, int]]:
    raw = base64.b64decode(context.archive)
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as tar:
        return {
            member.name: ((tar.extractfile(member) or io.BytesIO()).read(), member.mode) for member in tar
        }


def test_an_archive_holds_the_files_and_nothing_of_the_machine() -> None:
    context = pack(FILES, None)
    assert unpacked(context) == {"Dockerfile": (b"FROM x\n", 0o644), "bin/run": (b"#!/bin/sh\n", 0o755)}
    assert pack(dict(reversed(FILES.items())), None) == context


@pytest.mark.parametrize(
    "changed",
    [
        {"Dockerfile": ContextFile(content=b"FROM y\n")},
        {"bin/run": ContextFile(content=b"#!/bin/sh\n")},
        {"more": ContextFile(content=b"")},
    ],
)
def test_any_change_gives_another_digest(changed: dict[str, ContextFile]) -> None:
    assert pack({**FILES, **changed}, None).digest != pack(FILES, None).digest


def test_requirements_are_installed_into_the_base() -> None:
    requirements = {"requirements.txt": ContextFile(content=b"xarray\n")}
    dockerfile = unpacked(pack(requirements, BASE))["Dockerfile"][0].decode()
    assert dockerfile.startswith(f"FROM {BASE}\n")
    assert "pip install --no-cache-dir --requirement requirements.txt" in dockerfile
    assert pack(requirements, BASE).digest != pack(requirements, "example.org/notebook:2").digest


@pytest.mark.parametrize(
    ("files", "base", "problem"),
    [
        ({}, None, "it has neither Dockerfile nor requirements.txt"),
        (FILES, BASE, f"its Dockerfile says what it begins with, and image says {BASE}"),
        (
            {"requirements.txt": ContextFile(content=b"")},
            None,
            "it has requirements.txt alone, and nothing to install it into",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(
    files: dict[str, ContextFile], base: str | None, problem: str
) -> None:
    with pytest.raises(ContextError) as caught:
        pack(files, base)
    assert caught.value.problem == problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "repository"), [("Python 3.12", "python-3-12"), ("R", "r"), ("Школа", "own"), ("-a-", "a")]
)
def test_an_image_is_named_by_its_environment_and_its_content(name: str, repository: str) -> None:
    image = built_image(name, Context(digest="0123456789abcdef", archive=""))
    assert image_at(image, "10.20.0.11:5000") == f"10.20.0.11:5000/{repository}:0123456789abcdef"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(contexts, "PROJECT_DIRECTORY", tmp_path)
    (tmp_path / "python").mkdir()
    return tmp_path


def environment(name: str = "Python", build: str = "python", image: str | None = None) -> Environment:
    return Environment(name=name, build=build, image=image)


def hub_with(*environments: Environment) -> Hub:
    named = Images(hub="hub:1", proxy="proxy:1", front_door="nginx:1", acme="acme:1", registry="registry:2")
    return Hub(environments=environments, images=named, admins=("ada",))


def refusals(*environments: Environment) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_contexts(hub_with(*environments), own_images=())
    return str(caught.value).splitlines()


def test_directories_are_read_with_all_below_them(project: Path) -> None:
    (project / "python" / "Dockerfile").write_text("FROM x\n")
    (project / "python" / "data").mkdir()
    (project / "python" / "data" / "run").write_text("")
    (project / "python" / "data" / "run").chmod(0o755)
    (project / "python" / "__pycache__").mkdir()
    (project / "python" / "__pycache__" / "x.pyc").write_text("")
    ready = Environment(name="R", image="example.org/r:1")
    found = read_contexts(hub_with(ready, environment()), own_images=())
    assert (list(found.environments), found.own) == (["Python"], {})
    files = {"Dockerfile": (b"FROM x\n", 0o644), "data/run": (b"", 0o755)}
    assert unpacked(found.environments["Python"]) == files


OWN = ("hub", "proxy", "front-door", "acme", "registry", "user")


@pytest.mark.parametrize("directory", OWN)
def test_an_own_image_is_built_from_its_directory_and_what_all_share(directory: str) -> None:
    hub = Hub(images=Images(base="example.org/debian:13"), admins=("ada",))
    files = unpacked(read_contexts(hub, [directory]).own[directory])
    dockerfile = files["Dockerfile"][0].decode()
    assert "ARG BASE=example.org/debian:13\n" in dockerfile
    assert files["build/install-packages.sh"][1] == 0o755
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*((?:\S+ )+)\S+$", dockerfile, re.MULTILINE)
    mounted = re.findall(r"type=bind,source=([^,]+)", dockerfile)
    for source in (*" ".join(copied).split(), *mounted):
        assert any(f"{name}/".startswith(source.rstrip("/") + "/") for name in files), source


def test_another_base_is_another_image() -> None:
    first, second = (
        read_contexts(Hub(images=Images(base=base), admins=("ada",)), ["hub"]).own["hub"].digest
        for base in ("example.org/debian:13", "example.org/debian:14")
    )
    assert first != second


def test_a_dockerfile_that_does_not_say_what_it_begins_with_is_refused() -> None:
    with pytest.raises(ValueError, match="0 times"):
        begun_with("FROM debian\n", "example.org/debian:13")


@pytest.mark.parametrize(
    ("given", "built"),
    [
        (Hub(admins=("ada",)), set(OWN)),
        (Hub(images=Images(user="x"), admins=("ada",)), set(OWN) - {"registry", "user"}),
        (Hub(images=Images(user="x", hub="y"), admins=("ada",)), {"proxy", "front-door", "acme"}),
        (Hub(images=Images(registry="r"), admins=("ada",)), set(OWN) - {"registry"}),
        (Hub(environments=(Environment(name="R", image="r"),), admins=("ada",)), set(OWN[:4])),
        (Hub(environments=(Environment(name="R", build="r"),), admins=("ada",)), set(OWN[:5])),
    ],
    ids=["nothing named", "servers' named", "hub's too", "registry's named", "a choice", "one that is built"],
)
def test_what_is_not_named_is_built(given: Hub, built: set[str]) -> None:
    assert set(given.own_images(orders=True)) == built
    assert set(given.own_images(orders=False)) == built - {"acme"}


def test_all_that_cannot_be_read_is_said_at_once(project: Path) -> None:
    (project / "linked").mkdir()
    (project / "linked" / "Dockerfile").symlink_to("/etc/passwd")
    (project / "large").mkdir()
    (project / "large" / "data").write_bytes(bytes(CONTEXT_MAX_BYTES + 1))
    found = refusals(
        environment("a", "nowhere"), environment("b", "linked"), environment("c", "large"), environment("d")
    )
    rule = f"It is a directory, relative to {project} or absolute."
    assert "\n".join(found) == (
        f"hub.environments[0].build: 'nowhere' cannot be read (No such file or directory). {rule} "
        "Make it, with a Dockerfile or a requirements.txt in it.\n"
        "hub.environments[1].build: Dockerfile in it is a symbolic link. Put the file itself there.\n"
        "hub.environments[2].build: it has more than 1 MB. "
        "Keep what the build needs, and give out data in the shared folder.\n"
        "hub.environments[3].build: it has neither Dockerfile nor requirements.txt. "
        "Write requirements.txt, one package a line."
    )
