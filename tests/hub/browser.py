"""A scripted browser: cookies, redirects, forms."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from live.probe import FixedResolver
from tests.hub.running import Rig

T = TypeVar("T")

FORM = re.compile(r'<form[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"')
SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a browser shows after all redirects."""

    status: int
    url: URL
    text: str


@dataclass(frozen=True, kw_only=True)
class Browser:
    """One person's browser."""

    http: aiohttp.ClientSession
    base: str

    async def open(self, path: str) -> Page:
        async with self.http.get(f"{self.base}{path}") as answer:
            return Page(status=answer.status, url=answer.url, text=await answer.text())

    async def submit(self, page: Page, fields: Mapping[str, str]) -> Page:
        """Fill in the page's form and send it; raises AssertionError where there is none."""
        match = FORM.search(page.text)
        assert match, page.text[:2000]
        hidden = {name: html.unescape(value) for name, value in HIDDEN.findall(match[2])}
        target = page.url.join(URL(html.unescape(match[1])))
        async with self.http.post(target, data={**hidden, **fields}) as answer:
            return Page(status=answer.status, url=answer.url, text=await answer.text())

    async def log_in_by_provider(self, user: str, password: str) -> Page:
        """Press the login button, say who one is, agree; return where one ends up."""
        page = await self.open("/hub/oauth_login")
        page = await self.submit(page, {"login": user, "password": password})
        if page.status == 200 and page.url.path.startswith("/interaction/"):
            page = await self.submit(page, {})
        return page

    async def whoami(self) -> dict[str, Any]:
        """What the hub's API says of the person logged in."""
        page = await self.open("/hub/home")
        assert page.status == 200, page
        headers = {"X-XSRFToken": self.http.cookie_jar.filter_cookies(page.url)["_xsrf"].value}
        async with self.http.get(f"{self.base}/hub/api/user", headers=headers) as answer:
            return dict(await answer.json())

    async def log_in_by_form(self, user: str, password: str) -> Page:
        page = await self.open("/hub/login")
        return await self.submit(page, {"username": user, "password": password})


@asynccontextmanager
async def browser_at(hub: Rig) -> AsyncIterator[Browser]:
    """One person's new browser."""
    # A cookie for a bare address is kept as well: the hub and the provider are on loopback.
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    # Whatever the hub's names are, they lead here.
    connector = aiohttp.TCPConnector(resolver=FixedResolver("127.0.0.1"))
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout, connector=connector) as http:
        yield Browser(http=http, base=hub.url)


def browse(hub: Rig, steps: Callable[[Browser], Coroutine[Any, Any, T]]) -> T:
    """Let one person with a new browser do something at a hub."""

    async def run() -> T:
        async with browser_at(hub) as browser:
            return await steps(browser)

    return asyncio.run(run())
