"""Settings, the cloud's facts, the plan, then the components: nothing is created before all is sound."""

from __future__ import annotations

import pulumi

from components.remote_host import OperatorKey
from components.workshop import Workshop
from live.configuration import read_secret_sections, read_stack_configuration
from live.deployment import Manager
from live.operator_key import find_operator_key
from live.preflight import examine
from swarmhub.errors import UserError
from swarmhub.plan import Plan
from swarmhub.preflight import Report
from swarmhub.settings import read_settings


def prepare() -> tuple[Plan, Report, OperatorKey]:
    """Everything that can go wrong by the user's hand goes wrong here."""
    project, stack = pulumi.get_project(), pulumi.get_stack()
    settings = read_settings(read_stack_configuration(project), read_secret_sections(project))
    plan, report = examine(settings, stack)
    if report.failures:
        raise UserError(report.failures)
    key = find_operator_key(settings, stack)
    operator_key = OperatorKey(
        public=key.public,
        private=key.private,
        private_file=str(key.path),
        # The directory of the stack's own key is its alone, as sockets want it; another's may not take any.
        sockets_directory=None if settings.site.private_key_file else str(key.path.parent),
    )
    return plan, report, operator_key


def main() -> None:
    try:
        plan, report, key = prepare()
    except UserError as error:
        raise pulumi.RunError(str(error)) from None
    for warning in report.warnings:
        pulumi.warn(str(warning))
    workshop = Workshop("workshop", plan, key)
    pulumi.export("url", workshop.url)
    pulumi.export("address", workshop.address)
    for name, value in workshop.login.outputs(plan, workshop.url).items():
        pulumi.export(name, value)
    if plan.pushed:
        pulumi.export("pushed_images", list(plan.pushed))
    pulumi.export("seats", report.seats)
    if report.cost:
        pulumi.export("cost", str(report.cost))
    pulumi.export("manager", workshop.manager)
    if workshop.storage:
        pulumi.export("storage", workshop.storage)
    pulumi.export("volumes", workshop.volumes)
    pulumi.export("ssh", workshop.manager.apply(lambda manager: Manager.read(manager).line()))


main()
