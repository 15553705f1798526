"""Look whether a deployed workshop is well: certificate, its renewal, services, machines, disks.

Ends with status 1 when something needs a hand.
"""

from __future__ import annotations

import argparse
import json

from live.cli import EXIT_ERROR, add_stack_argument
from live.deployment import read_deployment
from swarmhub.checking import judge
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, MOUNT_POINT
from swarmhub.text import script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stack_argument(parser)


def run(options: argparse.Namespace) -> int:
    manager = read_deployment(options.stack).manager
    command = ["bash", "-s", "--", FRONT_DOOR_STATE_DIRECTORY, MOUNT_POINT]
    checks = judge(json.loads(manager.run(command, input_text=script("check.sh"))))
    for check in checks:
        print(check)
    return 0 if all(check.passed for check in checks) else EXIT_ERROR
