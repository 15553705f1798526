"""Show what each person's home holds and may hold; set one person's quota.

`swarmhub quota` lists all homes, the fullest first. `swarmhub quota set NAME GB` changes one person's quota
at once; it is kept on the data volume, outranks the stack file, and holds until `swarmhub quota unset NAME`.
NAME is the user's name at the hub, or their e-mail address.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from typing import Any

from live.cli import add_stack_argument
from live.deployment import Deployment, Manager, read_deployment
from swarmhub.errors import Finding, UserError
from swarmhub.text import QUOTA_PROGRAM

GB = 1024**3
# A thousand homes take seconds; one with many files from before the quota can take minutes.
QUOTA_SECONDS = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_stack_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    actions = parser.add_subparsers(dest="action", metavar="set|unset")
    setting = actions.add_parser("set", help="set one person's quota, at once")
    setting.add_argument("name", help="user name or e-mail address")
    setting.add_argument("gb", type=float, help="GB, or 0 for no quota")
    actions.add_parser("unset", help="go back to what the stack file says").add_argument(
        "name", help="user name or e-mail address"
    )


def run(options: argparse.Namespace) -> int:
    """List, set or unset; returns the exit status. Raises UserError."""
    if options.action == "set" and not 0 <= options.gb < float("inf"):
        raise UserError(
            [Finding(where="GB", problem=f"{options.gb:g} is not a quota", remedy="Give 0 for none, or more")]
        )
    machine = storage_machine(read_deployment(options.stack))
    if options.action is None:
        entries = ask(machine, "list")
        print(json.dumps(by_use(entries), indent=1) if options.json else table(entries))
        return 0
    arguments = [options.name] if options.action == "unset" else [options.name, f"{options.gb:g}"]
    answer = ask(machine, options.action, *arguments)
    print(sentence(answer, options.gb if options.action == "set" else None))
    for folder, reason in answer["failures"].items():
        print(f"{folder}: {reason}")
    return 1 if answer["failures"] else 0


def storage_machine(deployment: Deployment) -> Manager:
    """The machine that has the homes on its own disk. Raises UserError when no machine of the stack has."""
    if deployment.storage is None:
        finding = Finding(
            where=f"stack {deployment.stack}",
            problem="it keeps no quotas: its homes are on no volume of its own",
            remedy="Quotas on another NFS server are set there",
        )
        raise UserError([finding])
    return deployment.storage


def ask(machine: Manager, *arguments: str) -> Any:
    """Run the quota program there and read its answer. Raises UserError with its sentence."""
    action, *rest = arguments
    # A name may begin with a dash.
    command = ["python3", "-B", QUOTA_PROGRAM, action, *(["--", *rest] if rest else [])]
    return json.loads(machine.run(command, timeout_seconds=QUOTA_SECONDS).splitlines()[-1])


def by_use(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The homes, those that hold the most first."""
    return sorted(entries, key=lambda entry: (-entry["used_bytes"], entry["folder"]))


def person(entry: dict[str, Any]) -> str:
    """Whose home it is, as people know them; the folder in brackets when nobody has said."""
    name, email = str(entry["name"]), str(entry["email"])
    if not name:
        return f"({entry['folder']})"
    return f"{name} <{email}>" if email and email != name else name


def table(entries: Sequence[dict[str, Any]]) -> str:
    """One line for each home and one for all together."""
    rows = [("person", "used GB", "quota GB", "full", "set by")]
    for entry in by_use(entries):
        used, limit = entry["used_bytes"], entry["limit_bytes"]
        rows.append(
            (
                person(entry),
                f"{used / GB:.2f}",
                f"{limit / GB:.2f}" if limit else "none",
                f"{used / limit:.0%}" if limit else "",
                entry["set_by"] + ("" if limit == entry["wanted_bytes"] else " (not yet applied)"),
            )
        )
    total = sum(entry["used_bytes"] for entry in entries)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:4], widths[1:], strict=True))
        + f"  {row[4]}"
        for row in rows
    ]
    return "\n".join([*lines, f"{len(entries)} homes hold {total / GB:.2f} GB"])


def sentence(answer: dict[str, Any], quota_gb: float | None) -> str:
    """What was done, and how to make it lasting."""
    name = answer["name"]
    without_home = "" if answer["home"] else f" {name} has no home yet: it counts from the first start."
    if quota_gb is None:
        return f"The quota of {name} is what the stack file says.{without_home}"
    amount = f"{quota_gb:g} GB" if quota_gb else "none"
    undo = shlex.join(["swarmhub", "quota", "unset", name])
    return (
        f"The quota of {name} is now {amount}, kept on the data volume until `{undo}`."
        f"{without_home}\n"
        f"To keep it with the stack, write in its file: storage: {{quota_overrides: {{users: "
        f"{{{json.dumps(name)}: {quota_gb:g}}}}}}}"
    )
