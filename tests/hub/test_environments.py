"""A choice of environments at this checkout's hub: the form, the answer, and what the API is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from swarmhub.text import hub_config
from tests.hub.browser import Browser, browse
from tests.hub.running import Rig
from tests.support.stacks import dev_plan

PASSWORDS = {"user-password": "u" * 12, "admin-password": "a" * 40}
CHOICE = [
    {"name": "Python", "image": "example.org/python:1"},
    {
        "name": "R & RStudio",
        "image": "example.org/r:1",
        "description": "For <statistics>",
        "memory_gb": 2,
        "default_url": "/rstudio",
    },
]


@pytest.fixture(scope="module")
def hub(rig: Rig) -> Iterator[Rig]:
    plan = dev_plan(hub__environments=CHOICE, hub__images__user=None)
    settings = dict(yaml.safe_load(hub_config(plan, "hub.example.org", "10.20.0.11")))
    with rig.hub(settings, PASSWORDS) as running:
        yield running


async def start(browser: Browser, options: dict[str, Any]) -> tuple[int, str]:
    """Ask the API as a page of the hub does."""
    user = await browser.whoami()
    page = await browser.open("/hub/home")
    headers = {"X-XSRFToken": browser.http.cookie_jar.filter_cookies(page.url)["_xsrf"].value}
    url = f"{browser.base}/hub/api/users/{user['name']}/server"
    async with browser.http.post(url, headers=headers, json=options) as answer:
        return answer.status, await answer.text()


def test_the_spawn_page_offers_the_environments_with_their_limits(hub: Rig) -> None:
    async def steps(browser: Browser) -> str:
        return (await browser.log_in_by_form("grace", PASSWORDS["user-password"])).text

    page = browse(hub, steps)
    assert 'name="environment" value="Python" checked' in page
    assert 'name="environment" value="R &amp; RStudio"' in page
    assert "2 GB of memory, 1 CPU" in page
    assert "For &lt;statistics&gt;" in page


def test_the_chosen_environment_decides_image_limits_and_page(hub: Rig) -> None:
    async def steps(browser: Browser) -> dict[str, Any]:
        page = await browser.log_in_by_form("mary", PASSWORDS["user-password"])
        await browser.submit(page, {"environment": "R & RStudio"})
        return await browser.whoami()

    server = browse(hub, steps)["servers"][""]
    assert server["user_options"] == {"environment": "R & RStudio"}
    promised = "2147483648 bytes, 2147483648 of them promised"
    assert f"mary gets example.org/r:1 with {promised}, and 1.0 CPUs; it opens /rstudio" in hub.log()


def test_without_a_choice_it_is_the_first(hub: Rig) -> None:
    async def steps(browser: Browser) -> tuple[int, str]:
        await browser.log_in_by_form("lise", PASSWORDS["user-password"])
        return await start(browser, {})

    status, _ = browse(hub, steps)
    assert status in (201, 202)
    assert "lise gets example.org/python:1 with 536870912 bytes" in hub.log()
    assert "1.0 CPUs; it opens /lab" in hub.log()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "evil:latest"}, "image: there is no such option, only environment."),
        ({"environment": "evil:latest"}, "evil:latest is not one of the environments here: Python, R"),
        ({"environment": "Python", "mem_limit": "64G"}, "mem_limit: there is no such option"),
    ],
)
def test_no_other_image_or_limit_can_be_had(hub: Rig, options: dict[str, Any], said: str) -> None:
    async def steps(browser: Browser) -> tuple[int, str, dict[str, Any]]:
        await browser.log_in_by_form("mallory", PASSWORDS["user-password"])
        status, text = await start(browser, options)
        return status, text, await browser.whoami()

    status, text, user = browse(hub, steps)
    assert (status, user["servers"]) == (400, {})
    assert said in text
    assert "mallory gets" not in hub.log()
