"""The look at the cloud, or at existing machines, that `up`, `preview` and `swarmhub doctor` begin with."""

from __future__ import annotations

import datetime

from live.certificate import read_certificate_facts
from live.cloud import Connect, connect_to, survey_cloud
from live.contexts import read_contexts
from live.hosts import survey_hosts
from live.operator_key import OperatorKeyFile, find_operator_key
from swarmhub.context import Contexts
from swarmhub.facts import LoginFacts
from swarmhub.host_preflight import check_hosts
from swarmhub.plan import (
    Plan,
    cloud_request,
    hosts_request,
    make_plan,
    make_plan_on_hosts,
    name_prefix,
)
from swarmhub.preflight import Report, check
from swarmhub.settings import Settings, SiteKind


def examine(
    settings: Settings, stack: str, login_facts: LoginFacts, connect: Connect = connect_to
) -> tuple[Plan, Report]:
    """Make the plan and say whether its site can take it. With failures, the plan has blanks in it.

    Raises ``UserError`` when the cloud does not answer at all, or an image has nothing to be built from.
    """
    now = datetime.datetime.now(datetime.UTC)
    contexts = read_contexts(settings.hub, settings.own_images)
    if settings.site.kind is SiteKind.EXISTING:
        return _examine_hosts(settings, stack, login_facts, contexts, find_operator_key(settings, stack), now)
    survey = survey_cloud(cloud_request(settings, stack), name_prefix(stack), connect)
    plan = make_plan(settings, survey.facts, stack, login_facts, contexts)
    certificate = read_certificate_facts(settings.tls)
    return plan, check(plan, survey, now, certificate)


def _examine_hosts(
    settings: Settings,
    stack: str,
    login_facts: LoginFacts,
    contexts: Contexts,
    key: OperatorKeyFile,
    now: datetime.datetime,
) -> tuple[Plan, Report]:
    request = hosts_request(settings, stack)
    survey = survey_hosts(request, str(key.path), key.public)
    plan = make_plan_on_hosts(settings, survey, stack, login_facts, contexts)
    return plan, check_hosts(plan, request, survey, now, read_certificate_facts(settings.tls))
