"""What stands on top of the hub's pages: the organiser's text, and why one's last server ended."""

from __future__ import annotations

import datetime
import html
import re
from collections.abc import Callable, Mapping
from typing import Any

# The spawner keeps it in its state, and so in the hub's database, until the next server runs.
FAREWELL = "farewell"


def farewell(reason: str, now: datetime.datetime) -> str:
    """Say that a server ended that nobody stopped."""
    return f"Your last server ended at {now:%H:%M} UTC. {reason}"


def farewell_of(user: Any) -> str:
    """Return what the user's spawner said last; empty for nobody, and after a stop on purpose."""
    spawner = getattr(user, "orm_spawners", {}).get("")
    state: Mapping[str, Any] = (spawner.state if spawner else None) or {}
    return str(state.get(FAREWELL, ""))


def with_links(text: str) -> str:
    """Turn a text into HTML in which its addresses are links."""
    between_and_links = re.split(r"""(https?://[^\s<>"']*[\w/])""", text.strip())
    escaped = [html.escape(part) for part in between_and_links]
    for position in range(1, len(escaped), 2):
        escaped[position] = f'<a href="{escaped[position]}">{escaped[position]}</a>'
    return "".join(escaped).replace("\n", "<br>")


def announcement_vars(text: str) -> dict[str, Callable[[Any], str]]:
    """Return the variable of JupyterHub's templates that it asks for each user; they take it for HTML."""
    everybody = with_links(text)

    def announcement(user: Any) -> str:
        return "<br>".join(part for part in (html.escape(farewell_of(user)), everybody) if part)

    return {"announcement": announcement}
