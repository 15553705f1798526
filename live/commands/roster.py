"""Show the roster's passwords, as a table, as CSV, or as slips to print.

They are kept encrypted in the stack's state; a file is written for its owner alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from live.cli import add_stack_argument
from live.deployment import Deployment, read_deployment
from swarmhub.errors import Finding, UserError
from swarmhub.text import roster_csv, roster_page, roster_table

OWNER_ONLY = 0o600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_stack_argument(parser)
    parser.add_argument("--format", choices=("table", "csv", "html"), default="table", help="default: table")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there instead of printing")
    parser.add_argument("--user", metavar="NAME", help="this person alone")


def run(options: argparse.Namespace) -> int:
    """Do it and return the exit status. Raises UserError."""
    text = render_roster(read_deployment(options.stack), options.format, options.user)
    if options.output is None:
        sys.stdout.write(text)
    else:
        write(options.output, text)
    return 0


def render_roster(deployment: Deployment, kind: str, user: str | None) -> str:
    """The roster as text. Raises UserError when the stack has none, or not this person."""
    outputs = deployment.outputs
    if "roster" not in outputs:
        finding = Finding(
            where=f"stack {deployment.stack}",
            problem=f"it has no roster; its login is {outputs.get('login', 'another one')}",
            remedy="Set hub.login to {kind: roster, roster_file: roster.csv} and run pulumi up",
        )
        raise UserError([finding])
    entries = [entry for entry in outputs["roster"] if user in (None, entry["user"])]
    if not entries:
        finding = Finding(
            where="--user",
            problem=f"{user!r} is not on the roster",
            remedy="Add the name to the roster file and run pulumi up",
        )
        raise UserError([finding])
    match kind:
        case "csv":
            return roster_csv(entries, outputs["url"])
        case "html":
            return roster_page(entries, outputs["url"])
        case _:
            return roster_table(entries)


def write(file: Path, text: str) -> None:
    """Write for the owner alone, also where the file was there before. Raises UserError."""
    try:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "w") as stream:
            stream.write(text)
    except OSError as error:
        finding = Finding(
            where="--output",
            problem=f"{file} cannot be written ({error.strerror})",
            remedy="Name a file in a directory of yours",
        )
        raise UserError([finding]) from None
    print(f"{file} holds passwords. Delete it once it is printed.", file=sys.stderr)
