"""A directory of the stack as the context of an image build: its files, packed, and a name for just these."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

DOCKERFILE = "Dockerfile"
REQUIREMENTS = "requirements.txt"
DIGEST_CHARACTERS = 16
# What is made from requirements alone. The directory is copied as a whole: requirements may name its files.
FROM_REQUIREMENTS = """\
FROM {base}
COPY . /tmp/environment/
RUN cd /tmp/environment && python3 -m pip install --no-cache-dir --requirement requirements.txt
"""


class ContextError(ValueError):
    """A directory that no image can be made of: the problem, and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True, kw_only=True)
class ContextFile:
    """One file of a context."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Context:
    """``digest`` names the content; ``archive`` is its gzipped tar in base64."""

    digest: str
    archive: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """What a stack's images are built from: ``environments`` by name, ``own`` by directory of images/."""

    environments: Mapping[str, Context] = field(default_factory=dict)
    own: Mapping[str, Context] = field(default_factory=dict)


NO_CONTEXTS = Contexts()


def begun_with(dockerfile: str, base: str) -> str:
    """One of this program's Dockerfiles, beginning with another image. Raises ValueError if it cannot."""
    changed, count = re.subn(r"^ARG BASE=.*$", lambda _: f"ARG BASE={base}", dockerfile, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the Dockerfile says {count} times what it begins with, and not once")
    return changed


def pack(files: Mapping[str, ContextFile], base: str | None) -> Context:
    """Pack the files of a directory, given by their paths in it; the same content gives the same context.

    Without a Dockerfile, requirements.txt is installed into the image ``base``. Raises ContextError.
    """
    if DOCKERFILE in files:
        if base:
            raise ContextError(
                f"its Dockerfile says what it begins with, and image says {base}", "Remove image there"
            )
    elif REQUIREMENTS not in files:
        raise ContextError(
            f"it has neither {DOCKERFILE} nor {REQUIREMENTS}", f"Write {REQUIREMENTS}, one package a line"
        )
    elif not base:
        raise ContextError(
            f"it has {REQUIREMENTS} alone, and nothing to install it into",
            "Set image to the image that the packages are added to",
        )
    else:
        generated = ContextFile(content=FROM_REQUIREMENTS.format(base=base).encode())
        files = {**files, DOCKERFILE: generated}
    total = hashlib.sha256()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, file in sorted(files.items()):
            total.update(f"{path}\n{file.executable}\n{len(file.content)}\n".encode() + file.content)
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(file.content), 0o755 if file.executable else 0o644
            tar.addfile(member, io.BytesIO(file.content))
    archive = base64.b64encode(gzip.compress(packed.getvalue(), mtime=0)).decode()
    return Context(digest=total.hexdigest()[:DIGEST_CHARACTERS], archive=archive)
