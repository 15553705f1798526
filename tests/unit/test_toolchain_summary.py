"""What `make up` says at the end, for each kind of login."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.first_light import render_summary
from scripts.stack import Stack

COMMON = {"url": "https://hub.example.org", "ssh": "ssh debian@192.0.2.7", "admin_user": "ada", "seats": 2}
CALLBACK = "https://hub.example.org/hub/oauth_callback"


@pytest.mark.parametrize(
    ("outputs", "students", "organiser"),
    [
        (
            {"login": "shared-password", "user_password": "word", "admin_password": "longer word"},
            "any user name, for example ada2 or student1; password word",
            "ada, password longer word",
        ),
        (
            {"login": "roster", "roster": [{"user": "grace"}], "admin_password": "word"},
            "those on the roster; bin/swarmhub roster --stack dev shows their passwords",
            "ada, password word",
        ),
        (
            {"login": "github", "callback_url": CALLBACK},
            f"those let in by github, which sends them back to {CALLBACK}",
            "ada, as students do",
        ),
    ],
)
def test_the_summary_says_how_to_log_in(
    outputs: dict[str, Any], students: str, organiser: str, tmp_path: Path
) -> None:
    stack = Stack(name="dev", environment={}, configuration={}, state=tmp_path)
    lines = render_summary(stack, COMMON | outputs, "Times").splitlines()
    assert f"  Students       {students}" in lines
    assert "  Seats          2 servers at once" in lines
    assert f"  Organiser      {organiser}" in lines
