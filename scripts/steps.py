"""Named steps with elapsed seconds, and the one way user errors leave a command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from swarmhub.errors import Finding, UserError


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print ``name`` with the seconds the block took, or that it did not get through."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"{name}: not finished after {time.monotonic() - started:.1f} s")
        raise
    say(f"{name}: {time.monotonic() - started:.1f} s")


def refuse(where: str, problem: str, remedy: str, rule: str = "") -> UserError:
    """A UserError of one finding, ready to be raised."""
    return UserError([Finding(where=where, problem=problem, remedy=remedy, rule=rule)])


def run_command(main: Callable[[], int]) -> None:
    """Exit with ``main``'s code; a UserError is printed as sentences, Ctrl-C ends without a traceback."""
    try:
        code = main()
    except UserError as error:
        print(error, file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        code = 130
    raise SystemExit(code)
