"""Settings, the cloud's facts, the plan, then the components: nothing is created before all is sound."""

from __future__ import annotations

import pulumi

from components.remote_host import OperatorKey
from components.workshop import Workshop
from live.cloud import look_up
from live.configuration import read_secret_sections, read_stack_configuration
from live.deployment import Manager
from live.login import read_login_facts
from live.operator_key import ensure_operator_key
from swarmhub.errors import UserError
from swarmhub.plan import Plan, cloud_request, make_plan
from swarmhub.settings import read_settings


def prepare() -> tuple[Plan, OperatorKey]:
    """Everything that can go wrong by the user's hand goes wrong here."""
    project = pulumi.get_project()
    settings = read_settings(read_stack_configuration(project), read_secret_sections(project))
    login_facts = read_login_facts(settings.hub.login)
    facts = look_up(cloud_request(settings))
    plan = make_plan(settings, facts, pulumi.get_stack(), login_facts)
    key = ensure_operator_key(pulumi.get_stack())
    return plan, OperatorKey(public=key.public, private=key.private, private_file=str(key.path))


def main() -> None:
    try:
        plan, key = prepare()
    except UserError as error:
        raise pulumi.RunError(str(error)) from None
    workshop = Workshop("workshop", plan, key)
    url = pulumi.Output.concat("https://", workshop.domain)
    pulumi.export("url", url)
    pulumi.export("address", workshop.address)
    for name, value in workshop.login.outputs(plan, workshop.domain).items():
        pulumi.export(name, value)
    pulumi.export("manager", workshop.manager)
    pulumi.export("ssh", workshop.manager.apply(lambda manager: Manager.read(manager).line()))


main()
