"""Whose folder is it: a file beside each home that says it to the person at the server.

``ada_email.txt`` lies beside the folder ``ada`` and holds the user's name, and the e-mail address on a second
line where the login gives one. No folder's name has an underscore, so the two cannot clash. Students reach
their own folder alone, and only root reads the file. The storage machine has this module as well.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from swarmhub_hub.names import escape

OWNER_SUFFIX = "_email.txt"
OWNER_MODE = 0o600


@dataclass(frozen=True)
class Owner:
    """A person as the hub knows them; ``email`` is empty where the login gives none."""

    name: str
    email: str = ""

    def text(self) -> str:
        """The content of the file: one line for each, without what would end a line."""
        lines = [" ".join(part.split()) for part in (self.name, self.email) if part]
        return "".join(f"{line}\n" for line in lines)


def owner_file(homes: Path, folder: str) -> Path:
    """Where a folder's owner is written."""
    return homes / f"{folder}{OWNER_SUFFIX}"


def write_owner(homes: Path, owner: Owner) -> None:
    """Say whose folder it is, unless that is said already. Raises OSError."""
    file = owner_file(homes, escape(owner.name))
    with contextlib.suppress(FileNotFoundError):
        written = file.read_text(errors="replace")
        # An address that the login once gave stays known.
        if written == owner.text() or (not owner.email and written.startswith(owner.text())):
            return
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_MODE)
    with os.fdopen(descriptor, "w", errors="replace") as stream:
        stream.write(owner.text())
    temporary.replace(file)


def read_owner(homes: Path, folder: str) -> Owner | None:
    """Who a folder belongs to; None when it is not said."""
    try:
        lines = owner_file(homes, folder).read_text(errors="replace").splitlines()
    except OSError:
        return None
    return Owner(name=lines[0], email=lines[1] if len(lines) > 1 else "") if lines else None


def find_email(auth_state: object) -> str:
    """The address that a login provider gave, wherever its answer has it; empty when there is none."""
    if not isinstance(auth_state, dict):
        return ""
    if isinstance(found := auth_state.get("email"), str):
        return found
    return next(filter(None, map(find_email, auth_state.values())), "")


def find_owner(homes: Path, person: str) -> Owner | None:
    """The owner whose name or e-mail address that is; None when no folder says so."""
    folders = [file.name[: -len(OWNER_SUFFIX)] for file in homes.glob(f"*{OWNER_SUFFIX}")]
    owners = [owner for owner in (read_owner(homes, folder) for folder in folders) if owner]
    by_name = [owner for owner in owners if owner.name == person]
    return next(iter(by_name or [owner for owner in owners if owner.email == person]), None)
