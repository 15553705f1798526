"""Templates and scripts of node/, and YAML as a person would write it."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent.parent
NODE_DIRECTORY = PROJECT_DIRECTORY / "node"
CLOUDINIT_DIRECTORY = PROJECT_DIRECTORY / "cloudinit"
HANDOUT_DIRECTORY = PROJECT_DIRECTORY / "handout"


class TextTemplate(string.Template):
    """``@{name}`` is replaced; ``$`` is left to nginx and the shell."""

    delimiter = "@"
    # Nothing but @{name} counts: no bare @name, no doubled @ and no error for a lone one.
    pattern = r"@(?:\{(?P<braced>[a-z_]+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!)))"  # type: ignore[assignment]


class ReadableDumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as a person would."""


ReadableDumper.add_representer(
    str,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    ),
)


@dataclass(frozen=True, kw_only=True)
class NodeFile:
    """A file to put on a machine."""

    path: str
    content: str
    mode: str = "0644"


def render(template: str, values: Mapping[str, object], directory: Path = NODE_DIRECTORY) -> str:
    """Fill a template of ``node/``, or of another directory; ``ValueError`` when names and values differ."""
    text = TextTemplate((directory / template).read_text())
    wanted = set(text.get_identifiers())
    if wanted != set(values):
        raise ValueError(f"{template} wants {sorted(wanted)}, got {sorted(values)}")
    return text.substitute(values)


def script(name: str) -> str:
    """The text of a script of ``node/``."""
    return (NODE_DIRECTORY / name).read_text()
