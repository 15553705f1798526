"""What stands on top of the hub's pages: text with links for all, and for one the end of a server."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from swarmhub_hub.announcement import FAREWELL, announcement_vars, farewell, with_links

NOON = datetime.datetime(2026, 3, 2, 12, 5, tzinfo=datetime.UTC)


def user(state: dict[str, Any] | None) -> Any:
    return SimpleNamespace(orm_spawners={"": SimpleNamespace(state=state)})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        (" \n", ""),
        ("Hub ends <Friday> & is deleted", "Hub ends &lt;Friday&gt; &amp; is deleted"),
        ("one\ntwo", "one<br>two"),
        (
            "See https://example.org/a?b=1&c=2.",
            'See <a href="https://example.org/a?b=1&amp;c=2">https://example.org/a?b=1&amp;c=2</a>.',
        ),
        (
            'https://example.org/"onclick=alert(1)',
            '<a href="https://example.org/">https://example.org/</a>&quot;onclick=alert(1)',
        ),
    ],
)
def test_announcements_are_text_with_links(text: str, shown: str) -> None:
    assert with_links(text) == shown
    assert announcement_vars(text)["announcement"](None) == shown


@pytest.mark.parametrize(
    "nobody", [None, SimpleNamespace(orm_spawners={}), user(None), user({"object_id": "x"})]
)
def test_who_stopped_their_server_is_told_nothing(nobody: Any) -> None:
    assert announcement_vars("Hello")["announcement"](nobody) == "Hello"


def test_whose_server_ended_is_told_why_before_all_else() -> None:
    ended = farewell("It was <killed>.", NOON)
    shown = announcement_vars("Hello")["announcement"](user({FAREWELL: ended}))
    assert shown == "Your last server ended at 12:05 UTC. It was &lt;killed&gt;.<br>Hello"
    assert announcement_vars("")["announcement"](user({FAREWELL: ended})) == shown.removesuffix("<br>Hello")
