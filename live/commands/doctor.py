"""Look at the cloud before it is used: names, quotas, credentials, seats, cost.

Everything that a stack file asks of the cloud is looked up, and compared with what the stack has already.
What is sound is listed first, then every failure with its remedy. Nothing is created or changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from live.cli import add_stack_argument
from live.configuration import read_configuration_of, read_stack_file
from live.preflight import examine
from swarmhub.preflight import Report
from swarmhub.settings import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    add_stack_argument(group)
    group.add_argument(
        "--file", metavar="PULUMI.NAME.YAML", type=Path, help="a stack file, before it is a stack"
    )


def describe(report: Report) -> str:
    """The report as text: what passed, what is worth a look, what stands in the way."""
    lines = [f"ok       {line}" for line in report.passed]
    lines += [f"warning  {finding}" for finding in report.warnings]
    lines += [f"FAILED   {finding}" for finding in report.failures]
    if report.cost:
        lines.append(f"cost     {report.cost}")
    count = len(report.failures)
    verdict = {0: "ready for pulumi up", 1: "1 failure to mend"}.get(count, f"{count} failures to mend")
    return "\n".join([*lines, "", verdict])


def run(options: argparse.Namespace) -> int:
    stack, configuration = (
        read_stack_file(options.file) if options.file else read_configuration_of(options.stack)
    )
    settings = read_settings(configuration)
    _, report = examine(settings, stack)
    print(describe(report))
    return 1 if report.failures else 0
