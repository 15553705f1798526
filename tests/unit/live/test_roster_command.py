"""bin/swarmhub roster: what it prints and writes."""

from __future__ import annotations

import csv
import io
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from live.cli import main
from live.commands import roster
from live.deployment import Deployment

ENTRIES = [
    {"user": "ada", "full_name": "Ada <Lovelace> & co", "password": "abcdefghijkm"},
    {"user": "grace@example.org", "full_name": "=1+1", "password": "npqrstuvwxyz"},
]
OUTPUTS = {"url": "https://hub.example.org", "roster": ENTRIES, "login": "roster"}


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Deployment(stack="spring", outputs=OUTPUTS)
    monkeypatch.setattr(roster, "read_deployment", lambda _stack: answer)


def test_a_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["roster"]) == 0
    assert capsys.readouterr().out == (
        "ada                abcdefghijkm  Ada <Lovelace> & co\ngrace@example.org  npqrstuvwxyz  =1+1\n"
    )


def test_one_person_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["roster", "--user", "ada"]) == 0
    assert capsys.readouterr().out == "ada  abcdefghijkm  Ada <Lovelace> & co\n"


def test_csv_has_a_head_and_no_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["roster", "--format", "csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["user", "password", "full_name", "url"],
        ["ada", "abcdefghijkm", "Ada <Lovelace> & co", "https://hub.example.org"],
        ["grace@example.org", "npqrstuvwxyz", "'=1+1", "https://hub.example.org"],
    ]


class Texts(HTMLParser):
    """Collects what a reader of the page sees."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.append(data.strip())


def test_slips_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "slips.html"
    file.write_text("older")
    file.chmod(0o644)
    assert main(["roster", "--format", "html", "--output", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    texts = Texts()
    texts.feed(file.read_text())
    begin = texts.found.index("Ada <Lovelace> & co")
    assert texts.found[begin + 1 : begin + 7] == [
        *("Open", "https://hub.example.org"),
        *("User name", "ada"),
        *("Password", "abcdefghijkm"),
    ]


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["roster", *arguments]) == 1
    return capsys.readouterr().err


def test_a_stranger_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(["--user", "mary"], capsys) == (
        "--user: 'mary' is not on the roster. Add the name to the roster file and run pulumi up.\n"
    )


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "missing" / "slips.html"
    assert refusal(["--output", str(file)], capsys) == (
        f"--output: {file} cannot be written (No such file or directory). "
        "Name a file in a directory of yours.\n"
    )


def test_a_stack_without_a_roster_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other: dict[str, Any] = {"url": "https://hub.example.org", "login": "github"}
    monkeypatch.setattr(roster, "read_deployment", lambda _stack: Deployment(stack="spring", outputs=other))
    assert refusal([], capsys) == (
        "stack spring: it has no roster; its login is github. "
        "Set hub.login to {kind: roster, roster_file: roster.csv} and run pulumi up.\n"
    )
