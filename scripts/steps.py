"""The one way user errors leave a command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from swarmhub.errors import UserError

INTERRUPTED = 128 + signal.SIGINT


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run_command(main: Callable[[], int]) -> None:
    """Exit with ``main``'s code; a UserError is printed as sentences, an interrupt ends without a traceback.

    SIGTERM is taken as Ctrl-C, so that a command that is ended in either way cleans up.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = main()
    except UserError as error:
        print(error, file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    raise SystemExit(code)
