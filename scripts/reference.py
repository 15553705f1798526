"""Writes docs/reference.md from the settings: what each key is, its default, rule and effect of a change.

.venv/bin/python -m scripts.reference
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from rehearsal.paths import CHECKOUT
from swarmhub.settings import Settings, keys_of
from swarmhub.settings.keys import NO_ENTRIES, Key, Refused, is_needed

REFERENCE = CHECKOUT / "docs" / "reference.md"
# No key takes it: what a reader says of it is the key's rule.
REFUSED_BY_ALL = object()
HEAD = """\
# Reference: every key of a stack file

A stack file is `Pulumi.<stack>.yaml`; each section stands under `config:` as `swarmhub:<section>:`.
Written from `swarmhub/settings/` by `scripts/reference.py`; a test holds it current.

"On a later change" is what `pulumi up` does to a running hub when the value has changed since the last one.
"""


def rule_of(key: Key) -> str:
    """The rule that the key's reader states when it refuses a value."""
    try:
        key.read(REFUSED_BY_ALL)
    except Refused as refused:
        return refused.rule
    return ""


def shown_default(declared: dataclasses.Field[Any]) -> str:
    """The default as it is written in a stack file."""
    if is_needed(declared):
        return "none: it must be set"
    return plain(NO_ENTRIES if declared.default is dataclasses.MISSING else declared.default)


def plain(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        return "`{" + ", ".join(f"{name}: {each}" for name, each in value.items()) + "}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(each) for each in value)}]`"
    if isinstance(value, StrEnum | str | int | float | ipaddress.IPv4Network):
        return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return "see its keys"


def describe(section: type, path: str) -> Iterator[str]:
    """The lines about a section and, after its own keys, about the sections in it."""
    yield f"\n{'#' * (2 + path.count('.'))} {path}\n"
    yield (section.__doc__ or "").splitlines()[0] + "\n"
    inner = []
    for declared in dataclasses.fields(section):
        key = keys_of(section)[declared.name]
        if key.section:
            needed = "" if not is_needed(declared) else " It must be set."
            full_name = f"{path}.{declared.name}"
            yield f"- **`{declared.name}`**: a section of its own, [below](#{anchor(full_name)}).{needed}"
            inner.append((key.section, full_name))
            continue
        rule = rule_of(key)
        yield f"- **`{declared.name}`**: {key.about}."
        if rule:
            yield f"  {rule}."
        yield f"  Default: {shown_default(declared)}. On a later change: {key.change}."
    for each, name in inner:
        yield from describe(each, name)


def anchor(heading: str) -> str:
    """The fragment that Markdown renderers give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def render() -> str:
    """The whole page."""
    lines = [HEAD.rstrip("\n")]
    for name, key in keys_of(Settings).items():
        if key.section:
            lines += describe(key.section, name)
    return "\n".join(lines) + "\n"


def main() -> int:
    REFERENCE.parent.mkdir(exist_ok=True)
    Path(REFERENCE).write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
