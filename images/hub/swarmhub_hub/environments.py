"""What users may choose from when they start a server: the form, and what its answer means."""

from __future__ import annotations

import html
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub_hub.sections import Section

OPTION = "environment"
TEMPLATE = Path(__file__).with_name("environment.html")


class ChoiceError(ValueError):
    """A choice that nobody was offered; the text is a sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One choice: the image, the limits of a server with it, and the page that it opens."""

    name: str
    description: str
    image: str
    memory_gb: float
    cpus: float
    default_url: str

    @property
    def memory_bytes(self) -> int:
        """The memory limit as Docker counts it."""
        return int(self.memory_gb * 1024**3)


def parse_environment(section: Section) -> Environment:
    """Take one entry apart; problems go where the section collects them."""
    environment = Environment(
        name=section.text("name"),
        description=section.text("description", pattern=r".*"),
        image=section.text("image"),
        memory_gb=section.number("memory_gb"),
        cpus=section.number("cpus"),
        default_url=section.text("default_url", "a path that begins with /", r"/.*"),
    )
    section.close()
    return environment


def render_form(environments: Sequence[Environment]) -> str:
    """The part of the spawn page that asks; the first is chosen already. Empty where there is no choice."""
    if len(environments) < 2:
        return ""
    template = string.Template(TEMPLATE.read_text())
    return "".join(
        template.substitute(
            option=OPTION,
            name=html.escape(environment.name),
            description=html.escape(environment.description),
            limits=f"{environment.memory_gb:g} GB of memory, {environment.cpus:g} "
            f"CPU{'' if environment.cpus == 1 else 's'}",
            checked="" if position else "checked",
        )
        for position, environment in enumerate(environments)
    )


def read_form(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The options that the form's fields say."""
    return {OPTION: fields[OPTION][0]} if fields.get(OPTION) else {}


def choose(environments: Sequence[Environment], options: Mapping[str, Any]) -> Environment:
    """The environment that was chosen, the first where none was. Raises ChoiceError.

    Options come from the form, from whoever may use the API, and from the last start, which may be long ago.
    """
    if unknown := [name for name in options if name != OPTION]:
        raise ChoiceError(f"{', '.join(map(str, sorted(unknown)))}: there is no such option, only {OPTION}.")
    if OPTION not in options or len(environments) == 1:
        return environments[0]
    for environment in environments:
        if environment.name == options[OPTION]:
            return environment
    names = ", ".join(environment.name for environment in environments)
    raise ChoiceError(f"{options[OPTION]} is not one of the environments here: {names}. Choose again.")
