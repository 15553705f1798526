"""The roster with its passwords: for a screen, a spreadsheet, and a printer."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence

from swarmhub.text.rendering import HANDOUT_DIRECTORY, render

Entry = Mapping[str, str]
COLUMNS = ("user", "password", "full_name")
# A cell that begins so is a formula to a spreadsheet.
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t")


def roster_table(entries: Sequence[Entry]) -> str:
    """One line for each person, in columns."""
    width = max((len(entry["user"]) for entry in entries), default=0)
    lines = [f"{entry['user']:<{width}}  {entry['password']}  {entry['full_name']}" for entry in entries]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def roster_csv(entries: Sequence[Entry], url: str) -> str:
    """A table with a head, as mail merges want it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "url"])
    for entry in entries:
        writer.writerow([*(_harmless(entry[column]) for column in COLUMNS), url])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_BEGINNINGS) else cell


def roster_page(entries: Sequence[Entry], url: str) -> str:
    """A page of slips to print and cut."""
    slips = [
        render(
            "slip.html",
            {"url": html.escape(url), **{name: html.escape(entry[name]) for name in COLUMNS}},
            HANDOUT_DIRECTORY,
        )
        for entry in entries
    ]
    host = html.escape(url.partition("://")[2])
    return render("roster.html", {"host": host, "slips": "".join(slips).rstrip()}, HANDOUT_DIRECTORY)
