"""Login by a roster: single passwords, at this checkout's hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmhub.facts import LoginFacts
from swarmhub.plan import PROBE_USER
from swarmhub.roster import Person, hashes, password_of
from swarmhub.text import hub_config
from tests.hub.browser import Browser, Page, browse, browser_at
from tests.hub.running import Rig
from tests.support.stacks import dev_plan

SEED = "s" * 52
FAILURES_ALLOWED = 10


def document(*users: str, admins: tuple[str, ...] = ("ada",)) -> tuple[dict[str, Any], dict[str, str]]:
    """The hub.yaml and the secret of a stack with this roster, as a deployment makes them."""
    plan = dev_plan(
        login_facts=LoginFacts(people=tuple(Person(user=user) for user in users)),
        hub__login={"kind": "roster", "roster_file": "roster.csv"},
        hub__admins=list(admins),
        hub__groups={"instructors": list(admins)},
    )
    names = [*(person.user for person in plan.people), PROBE_USER]
    rendered = hub_config(plan, "hub.example.org", "10.20.0.11")
    return dict(yaml.safe_load(rendered)), {"roster": hashes(SEED, names)}


@pytest.fixture(scope="module")
def hub(rig: Rig) -> Iterator[Rig]:
    with rig.hub(*document("grace", "mary@example.org")) as running:
        yield running


def log_in(hub: Rig, user: str, password: str) -> Page:
    return browse(hub, lambda browser: browser.log_in_by_form(user, password))


def describe(hub: Rig, user: str, typed: str | None = None) -> dict[str, Any]:
    """What the hub says of somebody who has just logged in."""

    async def steps(browser: Browser) -> dict[str, Any]:
        await browser.log_in_by_form(typed or user, password_of(SEED, user))
        return await browser.whoami()

    return browse(hub, steps)


@pytest.mark.parametrize(
    ("typed", "user", "admin"),
    [
        ("grace", "grace", False),
        (" Grace ", "grace", False),
        ("mary@example.org", "mary@example.org", False),
        ("ada", "ada", True),
    ],
)
def test_everybody_has_a_password_of_their_own(hub: Rig, typed: str, user: str, admin: bool) -> None:
    found = describe(hub, user, typed)
    assert (found["name"], found["admin"]) == (user, admin)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("grace", password_of(SEED, "mary@example.org")),
        ("grace", ""),
        ("mallory", password_of(SEED, "mallory")),
        ("../grace", password_of(SEED, "grace")),
    ],
)
def test_nobody_gets_in_with_anothers_password_or_off_the_roster(hub: Rig, user: str, password: str) -> None:
    page = log_in(hub, user, password)
    assert page.status == 403
    assert "Invalid username or password" in page.text


def test_guessing_is_slowed_down_also_when_it_comes_all_at_once(hub: Rig) -> None:
    async def steps(browser: Browser) -> list[int]:
        pages = await asyncio.gather(
            *(browser.log_in_by_form("mary@example.org", f"guess{number}") for number in range(20))
        )
        return [page.status for page in pages]

    statuses = browse(hub, steps)
    assert statuses.count(403) == FAILURES_ALLOWED
    assert statuses.count(429) == 20 - FAILURES_ALLOWED
    page = log_in(hub, "mary@example.org", password_of(SEED, "mary@example.org"))
    assert page.status == 429
    assert "Too many wrong passwords for mary@example.org. Try again in" in page.text
    # Others are not kept waiting by it.
    begin = time.monotonic()
    assert log_in(hub, "grace", password_of(SEED, "grace")).status == 200
    assert time.monotonic() - begin < 10


def test_what_is_taken_out_of_the_stack_file_is_gone_after_the_hub_is_updated(
    rig: Rig, tmp_path: Path
) -> None:
    moving = Rig(programs=rig.programs, directory=tmp_path)

    async def steps() -> None:
        async with browser_at(moving) as grace, browser_at(moving) as mary:
            with moving.hub(*document("grace", "mary", admins=("ada", "grace"))):
                for browser, name in ((grace, "grace"), (mary, "mary")):
                    await browser.log_in_by_form(name, password_of(SEED, name))
                found = await grace.whoami()
                assert (found["admin"], found["groups"]) == (True, ["instructors"])
                assert (await mary.whoami())["name"] == "mary"
            with moving.hub(*document("grace")):
                # Both come with the cookies of the login before.
                found = await grace.whoami()
                assert (found["admin"], found["groups"]) == (False, [])
                assert (await mary.open("/hub/home")).url.path == "/hub/login"
                assert (await mary.log_in_by_form("mary", password_of(SEED, "mary"))).status == 403

    asyncio.run(steps())


def test_a_broken_roster_ends_the_hub_with_a_sentence(rig: Rig, tmp_path: Path) -> None:
    broken = Rig(programs=rig.programs, directory=tmp_path)
    settings, _ = document("grace")
    with (
        pytest.raises(
            RuntimeError, match=r"roster: it is not a JSON mapping of user names to scrypt hashes\."
        ),
        broken.hub(settings, {"roster": '{"grace": "hunter2"}'}),
    ):
        pass
    assert "hunter2" not in broken.log()
