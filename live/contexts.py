"""The directories that the stack's own images are built from, read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from swarmhub.context import DOCKERFILE, Context, ContextError, ContextFile, Contexts, begun_with, pack
from swarmhub.errors import Finding, UserError
from swarmhub.settings import Environment, Hub
from swarmhub.text import PROJECT_DIRECTORY

# It travels in a step's input, which the stack's state keeps.
CONTEXT_MAX_BYTES = 1_000_000
OWN_DIRECTORY = PROJECT_DIRECTORY / "images"
# What the Dockerfiles there share.
SHARED_DIRECTORY = "build"
NEVER_PACKED = frozenset({".git", "__pycache__", ".ipynb_checkpoints", ".DS_Store"})


def read_contexts(hub: Hub, own_images: Collection[str]) -> Contexts:
    """Return what a stack's images are built from, its own from those directories. Raises UserError."""
    shared = _files_of_own(SHARED_DIRECTORY) if own_images else {}
    own = {name: _own_context(name, shared, hub.images.base) for name in own_images}
    return Contexts(environments=_of_environments(hub.environments), own=own)


def _files_of_own(directory: str) -> dict[str, ContextFile]:
    """The files of a directory of images/, by their paths in there."""
    return {f"{directory}/{path}": file for path, file in _files_of(OWN_DIRECTORY / directory)}


def _own_context(name: str, shared: Mapping[str, ContextFile], base: str) -> Context:
    files = {**shared, **_files_of_own(name)}
    dockerfile = files.pop(f"{name}/{DOCKERFILE}").content.decode()
    files[DOCKERFILE] = ContextFile(content=begun_with(dockerfile, base).encode())
    return pack(files, None)


def _of_environments(environments: tuple[Environment, ...]) -> dict[str, Context]:
    contexts: dict[str, Context] = {}
    findings = []
    for position, environment in enumerate(environments):
        if environment.build is None:
            continue
        where = f"hub.environments[{position}].build"
        try:
            files = dict(_files_of(PROJECT_DIRECTORY / environment.build))
            contexts[environment.name] = pack(files, environment.image)
        except OSError as error:
            findings.append(
                Finding(
                    where=where,
                    problem=f"{environment.build!r} cannot be read ({error.strerror})",
                    rule=f"It is a directory, relative to {PROJECT_DIRECTORY} or absolute",
                    remedy="Make it, with a Dockerfile or a requirements.txt in it",
                )
            )
        except ContextError as error:
            findings.append(Finding(where=where, problem=error.problem, remedy=error.remedy))
    if findings:
        raise UserError(findings)
    return contexts


def _files_of(directory: Path) -> Iterator[tuple[str, ContextFile]]:
    """Every file below a directory, by its path in it. Raises ContextError."""
    left = CONTEXT_MAX_BYTES
    for path in _walk(directory):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            raise ContextError(f"{name} in it is a symbolic link", "Put the file itself there")
        left -= path.stat().st_size
        if left < 0:
            raise ContextError(
                f"it has more than {CONTEXT_MAX_BYTES // 1_000_000} MB",
                "Keep what the build needs, and give out data in the shared folder",
            )
        yield name, ContextFile(content=path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name in NEVER_PACKED:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path
