"""The look at the cloud, or at existing machines, that `up`, `preview` and `swarmhub doctor` begin with."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from live.certificate import read_certificate_facts
from live.cloud import Connect, connect_to, survey_cloud
from live.contexts import read_contexts
from live.hosts import survey_hosts
from live.login import read_login_facts
from live.operator_key import OperatorKeyFile, find_operator_key
from swarmhub.context import DIGEST_CHARACTERS, Context, Contexts
from swarmhub.errors import Finding, UserError
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

Read = TypeVar("Read")
# Where an image has nothing to be built from, the rest is examined all the same.
BLANK = Context(digest="0" * DIGEST_CHARACTERS, archive="")


def examine(settings: Settings, stack: str, connect: Connect = connect_to) -> tuple[Plan, Report]:
    """Make the plan and say whether its site can take it. With failures, the plan has blanks in it.

    Raises ``UserError`` when the cloud does not answer at all.
    """
    now = datetime.datetime.now(datetime.UTC)
    blank = Contexts(
        environments={each.name: BLANK for each in settings.hub.environments if each.build},
        own=dict.fromkeys(settings.own_images, BLANK),
    )
    contexts, no_contexts = _attempt(lambda: read_contexts(settings.hub, settings.own_images), blank)
    login_facts, no_login = _attempt(lambda: read_login_facts(settings.hub.login), LoginFacts())
    if settings.site.kind is SiteKind.EXISTING:
        key = find_operator_key(settings, stack)
        plan, report = _examine_hosts(settings, stack, login_facts, contexts, key, now)
    else:
        survey = survey_cloud(cloud_request(settings, stack), name_prefix(stack), connect)
        plan = make_plan(settings, survey.facts, stack, login_facts, contexts)
        report = check(plan, survey, now, read_certificate_facts(settings.tls))
    return plan, replace(report, failures=(*no_login, *no_contexts, *report.failures))


def _attempt(read: Callable[[], Read], instead: Read) -> tuple[Read, tuple[Finding, ...]]:
    """What is read, or what stands for it and the findings."""
    try:
        return read(), ()
    except UserError as error:
        return instead, error.findings


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
