"""What students may choose from when they start a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub.errors import Finding
from swarmhub.settings.keys import DIRECTORY, IMAGE, ChangeEffect, flag, key, number, text

NAME_MAX_CHARACTERS = 60
LAB_URL = "/lab"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One choice of several."""

    name: str = key(
        text(f"It is a text of at most {NAME_MAX_CHARACTERS} characters on one line", r"\S(.{0,58}\S)?"),
        "What students call it, such as Python or R",
        change=ChangeEffect.RESTART,
    )
    image: str | None = key(
        IMAGE,
        "Image of the students' servers; beside build, the one that its requirements.txt is installed into",
        change=ChangeEffect.RESTART,
        default=None,
    )
    build: str | None = key(
        DIRECTORY,
        "Directory with the Dockerfile or the requirements.txt that the image is made from",
        change=ChangeEffect.RESTART,
        default=None,
    )
    description: str | None = key(
        text("It is a text"), "What is in it, in a sentence", change=ChangeEffect.RESTART, default=None
    )
    memory_gb: float | None = key(
        number(0.25, 4096),
        "Memory of one server in GB, limits.memory_gb unless set",
        change=ChangeEffect.RESTART,
        default=None,
    )
    cpus: float | None = key(
        number(0.1, 512),
        "CPUs that one server may use at once, limits.cpus unless set",
        change=ChangeEffect.RESTART,
        default=None,
    )
    default_url: str = key(
        text("It is a path below a student's server such as /lab or /rstudio", r"/(?!/)[\w./?=&%-]*"),
        "The page that a server with it opens",
        change=ChangeEffect.RESTART,
        default=LAB_URL,
    )
    default: bool = key(
        flag, "Chosen unless a student chooses; the first one is", change=ChangeEffect.RESTART, default=False
    )


def check_environments(environments: Sequence[Environment], single_image: str | None) -> list[Finding]:
    """What is contradictory or missing in ``hub.environments`` and ``hub.images`` together."""
    findings = [
        Finding(
            where=f"hub.environments[{position}].image",
            problem="this key is missing",
            rule="Students' servers need an image",
            remedy="Set it, or build to a directory that it is made from",
        )
        for position, environment in enumerate(environments)
        if environment.image is None and environment.build is None
    ]
    if environments and single_image:
        findings.append(
            Finding(
                where="hub.images.user",
                problem="this key has no meaning beside hub.environments",
                rule="Each environment names its image",
                remedy="Remove one of the two",
            )
        )
    counts = Counter(environment.name for environment in environments)
    findings += [
        Finding(
            where="hub.environments",
            problem=f"{count} are called {name}",
            rule="Names differ",
            remedy="Rename one",
        )
        for name, count in counts.items()
        if count > 1
    ]
    defaults = [environment.name for environment in environments if environment.default]
    if len(defaults) > 1:
        findings.append(
            Finding(
                where="hub.environments",
                problem=f"{', '.join(defaults)} are each the default",
                rule="One can be",
                remedy="Leave default: true at one",
            )
        )
    return findings
