"""Servers with host names of their own: the hub on its name, each student on one below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from yarl import URL

from live.jupyter import HubClient
from swarmhub.plan import PROBE_USER
from swarmhub.text import hub_config
from tests.hub.browser import Browser, Page, browse
from tests.hub.programs import Programs
from tests.hub.running import Rig
from tests.support.stacks import dev_plan

PASSWORDS = {"user-password": "u" * 12, "admin-password": "a" * 40}
DOMAIN = "hub.example.test"


@pytest.fixture(scope="module")
def hub(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    plan = dev_plan(hub__domain=DOMAIN, hub__subdomains=True, tls={"issuer": "none"})
    settings = dict(yaml.safe_load(hub_config(plan, DOMAIN, "10.20.0.11")))
    assert settings["subdomains"] is True
    rig = Rig(programs=programs, directory=tmp_path_factory.mktemp("subdomains"), host=DOMAIN)
    with rig.hub(settings, PASSWORDS) as running:
        yield running


def log_in_and_start(hub: Rig, user: str) -> Page:
    """What a student sees who has logged in, and in the end has a server."""

    async def steps(browser: Browser) -> Page:
        page = await browser.log_in_by_form(user, PASSWORDS["user-password"])
        for _ in range(100):
            if page.text == "a user's server":
                break
            page = await browser.open("/hub/spawn")
        return page

    return browse(hub, steps)


def test_a_student_is_led_to_a_server_on_a_host_of_its_own(hub: Rig) -> None:
    page = log_in_and_start(hub, "grace")
    assert page.text == "a user's server"
    assert str(page.url).startswith(f"http://grace.{DOMAIN}:{hub.port}/user/grace/")


def test_the_hub_says_where_a_server_is_and_its_login_does_not_leave_its_own_host(hub: Rig) -> None:
    async def steps(browser: Browser) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        await browser.log_in_by_form("grace", PASSWORDS["user-password"])
        cookies = {(cookie.key, cookie["domain"]) for cookie in browser.http.cookie_jar}
        return await browser.whoami(), cookies

    user, cookies = browse(hub, steps)
    assert user["servers"][""]["full_url"] == f"http://grace.{DOMAIN}:{hub.port}/user/grace/"
    assert {domain for name, domain in cookies if name == "jupyterhub-hub-login"} == {DOMAIN}


def test_cookies_of_a_hub_without_a_certificate_are_not_for_https_alone(hub: Rig) -> None:
    async def steps(browser: Browser) -> list[Any]:
        await browser.log_in_by_form("grace", PASSWORDS["user-password"])
        return [cookie["secure"] for cookie in browser.http.cookie_jar]

    found = browse(hub, steps)
    assert found
    assert not any(found)


def test_the_probe_goes_to_its_servers_own_host(hub: Rig) -> None:
    async def steps(browser: Browser) -> str:
        client = HubClient(
            http=browser.http, base=URL(hub.url), user=PROBE_USER, token=hub.probe_token, by_host=True
        )
        await client.log_in(await client.fetch_login_form(), PASSWORDS["user-password"])
        await client.start_server(lambda _message: None)
        await client.open_page("lab")
        # What only the server's own host answers: the hub would send a browser there, and a program nowhere.
        async with browser.http.get(
            f"http://{PROBE_USER}.{DOMAIN}:{hub.port}/user/{PROBE_USER}/lab", allow_redirects=False
        ) as answer:
            text = await answer.text()
        await client.remove_user()
        return text

    assert browse(hub, steps) == "a user's server"
