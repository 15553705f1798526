"""Login with OpenID Connect: this checkout's hub against a real provider, both on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from yarl import URL

from live.jupyter import HubClient
from live.login import discover
from swarmhub.facts import LoginFacts
from swarmhub.plan import PROBE_USER
from swarmhub.text import hub_config
from tests.hub.browser import Browser, Page, browse
from tests.hub.running import CLIENT_ID, Provider, Rig
from tests.support.stacks import dev_plan

PEOPLE = {"ada": "ada's password", "grace": "grace's password", "mallory": "mallory's password"}


def document(provider: Provider) -> dict[str, Any]:
    """The hub.yaml of a stack with this provider; the endpoints are what the provider's discovery says."""
    endpoints = asyncio.run(discover(provider.issuer))
    plan = dev_plan(
        login_facts=LoginFacts(endpoints=endpoints),
        hub__login={
            "kind": "oidc",
            "client_id": CLIENT_ID,
            "client_secret": provider.client_secret,
            "issuer_url": "https://id.example.org",
            "allowed_users": ["grace"],
            "service_name": "Example University",
        },
        hub__groups={"instructors": ["ada"]},
        hub__announcement="The hub ends on Friday, see https://example.org/end",
    )
    return dict(yaml.safe_load(hub_config(plan, "hub.example.org", "10.20.0.11")))


@pytest.fixture(scope="module")
def provider(rig: Rig) -> Iterator[Provider]:
    with rig.provider(PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def hub(rig: Rig, provider: Provider) -> Iterator[Rig]:
    with rig.hub(document(provider), {"client-secret": provider.client_secret}) as running:
        yield running


def log_in(hub: Rig, user: str) -> Page:
    return browse(hub, lambda browser: browser.log_in_by_provider(user, PEOPLE[user]))


def test_the_login_page_names_the_provider_and_shows_the_announcement(hub: Rig) -> None:
    page = browse(hub, lambda browser: browser.open("/hub/login"))
    assert "Sign in with Example University" in page.text
    assert 'The hub ends on Friday, see <a href="https://example.org/end">' in page.text


def test_an_allowed_user_comes_back_logged_in(hub: Rig) -> None:
    async def steps(browser: Browser) -> dict[str, Any]:
        page = await browser.log_in_by_provider("grace", PEOPLE["grace"])
        assert page.status == 200
        assert page.url.path in ("/hub/home", "/hub/spawn-pending/grace", "/user/grace/")
        return await browser.whoami()

    found = browse(hub, steps)
    assert found["name"] == "grace"
    assert found["admin"] is False
    # The provider says that everybody is in `admin` and `instructors`; the stack file does not.
    assert found["groups"] == []


def test_an_administrator_is_one_by_the_stack_file(hub: Rig) -> None:
    async def steps(browser: Browser) -> dict[str, Any]:
        await browser.log_in_by_provider("ada", PEOPLE["ada"])
        assert (await browser.open("/hub/admin")).status == 200
        return await browser.whoami()

    found = browse(hub, steps)
    assert found["admin"] is True
    assert found["groups"] == ["instructors"]


def test_somebody_else_of_the_provider_is_refused(hub: Rig) -> None:
    page = log_in(hub, "mallory")
    assert page.status == 403
    assert "This account may not use this hub. Ask the organisers to add it." in page.text


def test_a_wrong_password_does_not_get_past_the_provider(hub: Rig, provider: Provider) -> None:
    page = browse(hub, lambda browser: browser.log_in_by_provider("grace", "guess"))
    assert page.status == 401
    assert str(page.url).startswith(provider.issuer)


def test_who_logs_out_has_to_log_in_again(hub: Rig) -> None:
    async def steps(browser: Browser) -> Page:
        await browser.log_in_by_provider("grace", PEOPLE["grace"])
        assert (await browser.open("/hub/home")).url.path == "/hub/home"
        await browser.open("/hub/logout")
        return await browser.open("/hub/home")

    page = browse(hub, steps)
    assert page.url.path == "/hub/login"
    assert "Sign in with Example University" in page.text


def test_an_answer_that_was_not_asked_for_is_refused(hub: Rig) -> None:
    page = browse(hub, lambda browser: browser.open("/hub/oauth_callback?code=stolen&state=forged"))
    assert page.status == 400


def test_the_probe_gets_a_server_without_logging_in(hub: Rig) -> None:
    async def steps(browser: Browser) -> None:
        client = HubClient(
            http=browser.http, base=URL(hub.url), user=PROBE_USER, token=hub.probe_token, by_token=True
        )
        await client.fetch_login_page()
        assert await client.find_provider() == "127.0.0.1"
        await client.make_user()
        try:
            await client.start_server(lambda _said: None)
            await client.open_page()
        finally:
            assert await client.remove_user()

    browse(hub, steps)


def test_the_secret_stays_out_of_the_log_and_of_the_settings(hub: Rig, provider: Provider) -> None:
    assert provider.client_secret not in hub.log()
    assert provider.client_secret not in (hub.directory / "hub.yaml").read_text()


def test_a_wrong_client_secret_lets_nobody_in(rig: Rig, tmp_path: Path) -> None:
    other = Rig(programs=rig.programs, directory=tmp_path)
    with other.provider(PEOPLE) as running, other.hub(document(running), {"client-secret": "wrong"}):

        async def steps(browser: Browser) -> tuple[Page, Page]:
            page = await browser.log_in_by_provider("grace", PEOPLE["grace"])
            return page, await browser.open("/hub/home")

        page, home = browse(other, steps)
        assert page.status >= 400
        assert page.url.path == "/hub/oauth_callback"
        assert home.url.path == "/hub/login"
