"""Make a stack ready again after a killed `pulumi up` or `pulumi destroy`.

Removes the dead run's lock, deletes from the cloud what it was creating and did not get to note, and forgets
that it was creating it. Nothing that the stack's state knows is touched, and no volume that may hold data.
"""

from __future__ import annotations

import argparse
import json

from live.cli import add_stack_argument
from live.mend import mend
from live.pulumi import PulumiStack, selected_stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stack_argument(parser)


def run(options: argparse.Namespace) -> int:
    stack = PulumiStack(name=options.stack or selected_stack())
    config = json.loads(stack.ask("config", "--json"))
    site = config.get("swarmhub:site", {}).get("objectValue") or {}
    if not mend(stack, cloud=site.get("cloud"), say=print):
        print(f"stack {stack.name}: no run of it was interrupted; there is nothing to mend")
    return 0
