"""A student's server on a deployed stack, used as the pages use it but without a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp
from yarl import URL

from live.jupyter import HubClient
from live.probe import FixedResolver, trust
from rehearsal.paths import CLIENT
from scripts.stack import Stack

SERVER_SECONDS = 400
GO_HOME = "import os, pathlib; os.chdir(pathlib.Path.home())"
PAGE_XSRF = re.compile(r'xsrf_token: "([^"]+)"')

Result = TypeVar("Result")


@asynccontextmanager
async def open_hub(
    stack: Stack, user: str, token: str = "", *, by_token: bool = False
) -> AsyncIterator[HubClient]:
    """The hub as that user reaches it from outside, with a service's token or one of his own."""
    outputs = stack.outputs()
    connector = aiohttp.TCPConnector(
        resolver=FixedResolver(outputs["address"]), ssl=trust(CLIENT / "issuer-root.pem")
    )
    cookies = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=SERVER_SECONDS)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies, timeout=timeout) as http:
        yield HubClient(http=http, base=URL(outputs["url"]), user=user, token=token, by_token=by_token)


async def make_token(client: HubClient) -> str:
    """A token of the user who has just logged in, made as the hub's own page makes it."""
    async with client.http.get(client.base.joinpath("hub", "token")) as page:
        match = PAGE_XSRF.search(await page.text())
    assert match
    address = client.base.joinpath("hub", "api", "users", client.user, "tokens")
    async with client.http.post(address, json={}, headers={"X-XSRFToken": match[1]}) as reply:
        assert reply.status == 201, await reply.text()
        return str((await reply.json())["token"])


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """A user's running server with a kernel; the token is the user's own."""

    stack: Stack
    user: str
    token: str
    kernel: str = ""

    @classmethod
    def start(cls, stack: Stack, user: str) -> Notebook:
        """Log in, start the server and a kernel in it."""

        async def begin() -> Notebook:
            async with open_hub(stack, user) as client:
                await client.log_in(await client.fetch_login_form(), stack.outputs()["user_password"])
                token = await make_token(client)
            started = cls(stack=stack, user=user, token=token)
            async with open_hub(stack, user, token, by_token=True) as client:
                await client.start_server(print)
                await client.open_page("lab")
                return replace(started, kernel=await client.start_kernel())

        return asyncio.run(begin())

    def _ask(self, question: Callable[[HubClient], Awaitable[Result]]) -> Result:
        async def ask() -> Result:
            async with open_hub(self.stack, self.user, self.token, by_token=True) as client:
                return await question(client)

        return asyncio.run(ask())

    def run(self, code: str) -> str:
        """Run a cell in the home, as notebooks there do, and return what it printed."""

        async def run(client: HubClient) -> str:
            async with client.open_kernel(self.kernel) as kernel:
                return await kernel.run(f"{GO_HOME}\n{code}")

        return self._ask(run)

    def save(self, name: str, text: str) -> tuple[int, str]:
        """Save a text file as JupyterLab does; the answer's status and the message that JupyterLab shows."""

        async def save(client: HubClient) -> tuple[int, str]:
            address = client.base.joinpath("user", self.user, "api", "contents", name)
            model = {"type": "file", "format": "text", "content": text}
            headers = {"Authorization": f"token {self.token}"}
            async with client.http.put(address, json=model, headers=headers) as reply:
                return reply.status, str((await reply.json()).get("message") or "")

        return self._ask(save)

    def knows_me(self) -> bool:
        """Whether the hub still takes the token."""

        async def ask(client: HubClient) -> bool:
            address = client.base.joinpath("hub", "api", "user")
            headers = {"Authorization": f"token {self.token}"}
            async with client.http.get(address, headers=headers) as reply:
                return reply.status == 200 and (await reply.json())["name"] == self.user

        return self._ask(ask)
