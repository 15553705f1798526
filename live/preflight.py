"""The look at the cloud that every `up`, `preview` and `swarmhub doctor` begins with."""

from __future__ import annotations

import datetime

from live.certificate import read_certificate_facts
from live.cloud import Connect, connect_to, survey_cloud
from swarmhub.facts import LoginFacts
from swarmhub.plan import Plan, cloud_request, make_plan, name_prefix
from swarmhub.preflight import Report, check
from swarmhub.settings import Settings


def examine(
    settings: Settings, stack: str, login_facts: LoginFacts, connect: Connect = connect_to
) -> tuple[Plan, Report]:
    """Make the plan and say whether the cloud can take it. With failures, the plan has blanks in it.

    Raises ``UserError`` when the cloud does not answer at all.
    """
    survey = survey_cloud(cloud_request(settings, stack), name_prefix(stack), connect)
    plan = make_plan(settings, survey.facts, stack, login_facts)
    certificate = read_certificate_facts(settings.tls)
    return plan, check(plan, survey, datetime.datetime.now(datetime.UTC), certificate)
