"""A student at a hub: logs in by the form, starts and stops a server, looks at its pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from live.jupyter import HubClient, JupyterError

REQUEST_TIMEOUT_SECONDS = 60


@dataclass(kw_only=True)
class Student:
    """``password`` is the hub's shared one, ``token`` a service's that may manage every user."""

    url: str
    name: str
    password: str
    token: str
    timeout_seconds: float = REQUEST_TIMEOUT_SECONDS

    @asynccontextmanager
    async def client(self) -> AsyncIterator[HubClient]:
        """A browser, logged in."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        jar = aiohttp.CookieJar(unsafe=True)  # The hub's host is an address.
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=jar) as http:
            client = HubClient(http=http, base=URL(self.url), user=self.name, token=self.token)
            await client.log_in(await client.fetch_login_form(), self.password)
            yield client

    async def _start(self) -> float:
        begin = time.monotonic()
        async with self.client() as client:
            await client.start_server(lambda message: None)
        return time.monotonic() - begin

    def start(self) -> float:
        """Log in and start the server; return the seconds until the hub calls it ready."""
        return asyncio.run(self._start())

    def home_page(self) -> str:
        """The hub's page on which a student is to start a server."""

        async def read_home_page() -> str:
            async with self.client() as client, client.http.get(f"{self.url}/hub/home") as reply:
                return await reply.text()

        return asyncio.run(read_home_page())

    def start_fails(self) -> tuple[str, float]:
        """Start the server, which must fail; return what the user is told and after how many seconds."""
        begin = time.monotonic()
        try:
            self.start()
        except JupyterError as error:
            return str(error), time.monotonic() - begin
        raise AssertionError(f"the server of {self.name} has started")

    def open_lab(self) -> None:
        """Open JupyterLab's page as a browser does, by way of the hub's login."""

        async def open_lab() -> None:
            async with self.client() as client:
                await client.open_page("lab")

        asyncio.run(open_lab())

    def open(self, path: str, **query: str) -> str:
        """What the own server answers to a browser that is logged in."""

        async def open_path() -> str:
            async with self.client() as client:
                await client.open_page("lab")
                url = URL(f"{self.url}/user/{self.name}/{path}").with_query(query)
                async with client.http.get(url) as reply:
                    reply.raise_for_status()
                    return await reply.text()

        return asyncio.run(open_path())

    async def _read(self, path: str) -> tuple[int, str]:
        page = f"{self.url}/user/{self.name}/{path}"
        async with aiohttp.ClientSession() as http, http.get(page) as reply:
            return reply.status, await reply.text()

    def read(self, path: str = "") -> tuple[int, str]:
        """HTTP's status and the text of a page of the server, without a login."""
        return asyncio.run(self._read(path))

    def answers(self) -> bool:
        """Whether the server's page can be had; not while the proxy is away or has no route to it."""
        try:
            return self.read()[0] == 200
        except aiohttp.ClientError:
            return False

    def run_cell(self, code: str) -> str:
        """Start a kernel on the server and run code in it; return what it printed."""

        async def run_cell() -> str:
            async with self.client() as client:
                # Its cookies open the server.
                await client.open_page("lab")
                async with client.open_kernel(await client.start_kernel()) as kernel:
                    return await kernel.run(code)

        return asyncio.run(asyncio.wait_for(run_cell(), REQUEST_TIMEOUT_SECONDS))

    async def _stop(self) -> None:
        headers = {"Authorization": f"token {self.token}"}
        server = f"{self.url}/hub/api/users/{self.name}/server"
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.delete(server) as reply:
                if reply.status not in {202, 204}:
                    raise JupyterError(f"stopping answered HTTP {reply.status}: {await reply.text()}")
            while True:
                async with http.get(f"{self.url}/hub/api/users/{self.name}") as reply:
                    if not (await reply.json())["servers"]:
                        return
                await asyncio.sleep(0.1)

    def stop(self) -> None:
        """Stop the server and wait until the hub has none."""
        asyncio.run(asyncio.wait_for(self._stop(), REQUEST_TIMEOUT_SECONDS))

    async def _leave(self) -> bool:
        async with self.client() as client:
            return await client.remove_user()

    def leave(self) -> None:
        """Be deleted by an admin, server and all."""
        if not asyncio.run(self._leave()):
            raise AssertionError(f"the hub knows no {self.name}")

    def running(self) -> bool:
        """Whether the hub has a server of this user."""

        async def ask() -> bool:
            headers = {"Authorization": f"token {self.token}"}
            user = f"{self.url}/hub/api/users/{self.name}"
            async with aiohttp.ClientSession(headers=headers) as http, http.get(user) as reply:
                return reply.status == 200 and bool((await reply.json())["servers"])

        return asyncio.run(ask())
