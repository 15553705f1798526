"""Reckon flavor and number of workers, and the data volume, for a number of people.

Memory decides: a server's memory is never promised twice, CPUs may be shared. Flavors and their sizes come
from the cloud when --cloud or the OS_* variables name one; else round sizes stand in for them.
"""

from __future__ import annotations

import argparse
import os

from live.cloud import list_flavors
from swarmhub.errors import Finding, UserError
from swarmhub.facts import Flavor
from swarmhub.sizing import explain_sizing

# CPUs and GB of memory as most clouds pair them; used when no cloud is asked.
ROUND_SIZES = ((2, 8), (4, 16), (8, 32), (16, 64), (32, 128))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=int, required=True, help="people who have a server at the same time")
    parser.add_argument("--memory-gb", type=float, default=1.0, help="memory of one server (default 1)")
    parser.add_argument("--home-gb", type=float, default=5.0, help="disk space of one home (default 5)")
    parser.add_argument("--cloud", help="entry of clouds.yaml whose flavors are compared")


def round_flavors() -> list[Flavor]:
    return [
        Flavor(id=name, name=name, vcpus=vcpus, memory_mb=memory_gb * 1024, disk_gb=20)
        for vcpus, memory_gb in ROUND_SIZES
        for name in [f"{vcpus}-CPUs-{memory_gb}-GB"]
    ]


def run(options: argparse.Namespace) -> int:
    findings = [
        Finding(where=f"--{name}", problem=f"{value:g} is not accepted", remedy="Give a number above 0")
        for name, value in (
            ("users", options.users),
            ("memory-gb", options.memory_gb),
            ("home-gb", options.home_gb),
        )
        if not 0 < value < 1_000_000
    ]
    if findings:
        raise UserError(findings)
    asks_cloud = options.cloud or os.environ.get("OS_CLOUD") or os.environ.get("OS_AUTH_URL")
    flavors = list_flavors(options.cloud) if asks_cloud else round_flavors()
    print(explain_sizing(options.users, options.memory_gb, options.home_gb, flavors))
    return 0
