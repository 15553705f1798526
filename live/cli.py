"""The operator's command line: ``bin/swarmhub COMMAND``. Each command is a module of ``live/commands``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from swarmhub.errors import UserError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


class Command(Protocol):
    """A module of ``live/commands``: its docstring is its help, its name the command's."""

    __name__: str
    __doc__: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it and return the exit status. Raises UserError."""


def make_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Return the parser; every command leaves a ``run`` that gives its exit status."""
    parser = argparse.ArgumentParser(prog="swarmhub", description="Look after a deployed workshop.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        summary = command.__doc__.splitlines()[0].rstrip(".")
        added = subparsers.add_parser(name, help=summary, description=command.__doc__)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser


def add_stack_argument(parser: argparse._ActionsContainer) -> None:
    """Declare ``--stack``, as every command about a deployed stack has it."""
    parser.add_argument("--stack", metavar="NAME", help="the stack; without it the selected one")


def list_commands() -> tuple[Command, ...]:
    """Every command there is. They take their options' helpers from here, so they are imported late."""
    from live.commands import check, doctor, mend, quota, roster, size

    return (check, doctor, mend, quota, roster, size)


def main(arguments: Sequence[str] | None = None, commands: Sequence[Command] | None = None) -> int:
    """Run one command; a user's mistake is shown as sentences."""
    options = make_parser(commands or list_commands()).parse_args(arguments)
    try:
        return cast(int, options.run(options))
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
