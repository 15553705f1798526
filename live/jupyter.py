"""A JupyterHub as its users and a service of it meet it: login, server, cell, file."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

POLL_SECONDS = 1.0
REPORT_MAX_CHARACTERS = 400
# What a reverse proxy says while nothing is behind it yet.
NOT_YET_THERE = {404, 502, 503, 504}
XSRF_FIELD = re.compile(r'name="_xsrf"\s+value="([^"]+)"')
LOGIN_ERROR = re.compile(r'<p class="login_error">\s*([^<]+?)\s*<')


class JupyterError(Exception):
    """What the hub or a user's server answered instead of what was asked of it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer: ``url`` is the one that redirects ended at."""

    status: int
    url: URL
    text: str

    def explain(self) -> str:
        """Say in one line what went wrong: the API's own message, the login form's, or the bare status."""
        message: Any = None
        try:
            message = json.loads(self.text).get("message")
        except (json.JSONDecodeError, AttributeError):
            if match := LOGIN_ERROR.search(self.text):
                message = match[1]
        shown = f": {' '.join(str(message).split())[:REPORT_MAX_CHARACTERS]}" if message else ""
        return f"{self.url.path} answered HTTP {self.status}{shown}"

    def json(self) -> Any:
        """Parse the body; raises ``JupyterError`` when it is not JSON."""
        try:
            return json.loads(self.text)
        except json.JSONDecodeError:
            raise JupyterError(f"{self.url.path} answered HTTP {self.status} without JSON") from None


@dataclass(frozen=True, kw_only=True)
class HubClient:
    """One user of a hub, by his cookies, and the service that may manage him, by its token.

    ``http`` keeps the cookies; every request ends by its timeout. With ``by_token`` the service's token also
    opens the user's server, where nobody but a login provider could log the user in. With ``by_host`` servers
    have host names of their own below the hub's.
    """

    http: aiohttp.ClientSession
    base: URL
    user: str
    token: str
    by_token: bool = False
    by_host: bool = False

    @property
    def _server_headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"} if self.by_token else self._xsrf_headers()

    async def _ask(
        self, method: str, url: URL, *, expect: set[int], token: bool = False, **options: Any
    ) -> Reply:
        headers = {**options.pop("headers", {})}
        if token:
            headers["Authorization"] = f"token {self.token}"
        async with self.http.request(method, url, headers=headers, **options) as response:
            reply = Reply(
                status=response.status, url=response.url, text=await response.text(errors="replace")
            )
        if reply.status not in expect:
            raise JupyterError(reply.explain())
        return reply

    def _user_api(self, *parts: str) -> URL:
        return self.base.joinpath("hub", "api", "users", self.user, *parts)

    def _server(self, *parts: str) -> URL:
        # JupyterHub's own rule for names that are labels of DNS already, as the probe's is.
        base = self.base.with_host(f"{self.user}.{self.base.host}") if self.by_host else self.base
        return base.joinpath("user", self.user, *parts)

    def _xsrf_headers(self) -> dict[str, str]:
        cookie = self.http.cookie_jar.filter_cookies(self._server("api")).get("_xsrf")
        return {"X-XSRFToken": cookie.value} if cookie else {}

    async def fetch_login_page(self) -> Reply:
        """Return the login page; waits for as long as nothing is behind the reverse proxy."""
        while True:
            reply = await self._ask("GET", self.base.joinpath("hub", "login"), expect={200, *NOT_YET_THERE})
            if reply.status == 200:
                return reply
            await asyncio.sleep(POLL_SECONDS)

    async def find_provider(self) -> str:
        """Follow the login page's button as far as the login provider, and return the provider's host.

        Raises ``JupyterError`` when the provider would not send people back to this hub.
        """
        url = self.base.joinpath("hub", "oauth_login")
        async with self.http.get(url, allow_redirects=False) as response:
            if response.status != 302:
                raise JupyterError(f"{url.path} answered HTTP {response.status}, not a redirect")
            provider = URL(response.headers["Location"])
        callback = str(self.base.joinpath("hub", "oauth_callback"))
        if provider.query.get("redirect_uri") != callback or not provider.query.get("client_id"):
            raise JupyterError(f"{provider.host} is not asked to send people back to {callback}")
        return str(provider.host)

    async def make_user(self) -> None:
        """Make the user, who cannot log in."""
        await self._ask("POST", self._user_api(), token=True, expect={201, 409})

    async def fetch_login_form(self) -> str:
        """Return the form's XSRF token; waits for as long as nothing is behind the reverse proxy."""
        reply = await self.fetch_login_page()
        match = XSRF_FIELD.search(reply.text)
        if match is None:
            raise JupyterError(f"{reply.url.path} shows no JupyterHub login form")
        return match[1]

    async def log_in(self, xsrf: str, password: str) -> None:
        """Send the login form as a browser does."""
        await self._ask(
            "POST",
            self.base.joinpath("hub", "login"),
            data={"_xsrf": xsrf, "username": self.user, "password": password},
            allow_redirects=False,
            expect={302},
        )

    async def _find_user(self) -> dict[str, Any] | None:
        reply = await self._ask("GET", self._user_api(), token=True, expect={200, 404})
        return dict(reply.json()) if reply.status == 200 else None

    async def start_server(self, report: Callable[[str], None]) -> None:
        """Start the user's server and pass on what the hub tells; raises ``JupyterError`` when it fails."""
        # A start that fails at once answers 500 without a reason; the progress has it.
        await self._ask("POST", self._user_api("server"), token=True, expect={201, 202, 500})
        while True:
            try:
                async with aclosing(self._progress()) as events:
                    async for event in events:
                        report(str(event.get("message", "")))
                        if event.get("failed"):
                            raise JupyterError(str(event.get("message", "the start failed")))
                        if event.get("ready"):
                            return
            except aiohttp.ClientPayloadError:
                pass  # A proxy cut the stream: the hub still knows.
            server = ((await self._find_user()) or {}).get("servers", {}).get("")
            if server is None:
                raise JupyterError("the hub has given the start up")
            if server.get("ready"):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _progress(self) -> AsyncGenerator[dict[str, Any], None]:
        request = self.http.get(
            self._user_api("server", "progress"),
            headers={"Authorization": f"token {self.token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
        )
        async with request as response:
            if response.status != 200:
                return
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))

    async def open_page(self, *parts: str) -> None:
        """Load a page of the user's server with the user's own login, through the hub's consent and back."""
        while True:
            url = self._server(*parts)
            headers = self._server_headers if self.by_token else {}
            reply = await self._ask("GET", url, headers=headers, expect={200, *NOT_YET_THERE})
            if reply.status == 200 and reply.url.path.startswith(self._server().path):
                return
            # The proxy learns of a new server a moment after the hub has.
            await asyncio.sleep(POLL_SECONDS)

    async def start_kernel(self) -> str:
        """Start a Python kernel and return its id."""
        reply = await self._ask(
            "POST",
            self._server("api", "kernels"),
            json={"name": "python3"},
            headers=self._server_headers,
            expect={201},
        )
        return str(reply.json()["id"])

    @asynccontextmanager
    async def open_kernel(self, kernel: str) -> AsyncIterator[Kernel]:
        """Connect to the kernel's channels."""
        session = uuid.uuid4().hex
        url = self._server("api", "kernels", kernel, "channels").with_query(session_id=session)
        try:
            headers = self._server_headers if self.by_token else {}
            async with self.http.ws_connect(url, headers=headers, max_msg_size=0) as socket:
                yield Kernel(socket=socket, session=session, user=self.user)
        except aiohttp.WSServerHandshakeError as error:
            raise JupyterError(f"the WebSocket {url.path} was refused with HTTP {error.status}") from None

    async def read_file(self, name: str) -> str:
        """Return the text of a file in the folder that the user's server shows."""
        url = self._server("api", "contents", name).with_query(type="file", format="text", content="1")
        reply = await self._ask("GET", url, headers=self._server_headers, expect={200})
        return str(reply.json()["content"])

    async def delete_file(self, name: str) -> None:
        """Delete a file in that folder."""
        url = self._server("api", "contents", name)
        await self._ask("DELETE", url, headers=self._server_headers, expect={204, 404})

    async def remove_user(self) -> bool:
        """Stop the user's server, however far it is, and delete the user; False when there is none."""
        found = False
        while (user := await self._find_user()) is not None:
            found = True
            server = user.get("servers", {}).get("")
            if server is None:
                # 400: the hub noticed a start or a stop under way in between.
                reply = await self._ask("DELETE", self._user_api(), token=True, expect={204, 404, 400})
                if reply.status != 400:
                    break
            elif server.get("pending") != "stop":
                await self._ask("DELETE", self._user_api("server"), token=True, expect={202, 204, 400, 404})
            await asyncio.sleep(POLL_SECONDS)
        return found


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel's channels over one WebSocket."""

    socket: aiohttp.ClientWebSocketResponse
    session: str
    user: str

    async def run(self, code: str) -> str:
        """Run the code and return what it printed; raises ``JupyterError`` when it ends in an exception."""
        request = execute_request(code, session=self.session, user=self.user)
        await self.socket.send_json(request)
        printed = ""
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            answer = json.loads(message.data)
            if answer.get("parent_header", {}).get("msg_id") != request["header"]["msg_id"]:
                continue
            content = answer["content"]
            match answer["msg_type"]:
                case "stream" if content["name"] == "stdout":
                    printed += content["text"]
                case "error":
                    raise JupyterError(f"the cell ended with {content['ename']}: {content['evalue']}")
                case "status" if content["execution_state"] == "idle":
                    return printed
        raise JupyterError(f"the kernel's WebSocket was closed (code {self.socket.close_code})")


def execute_request(code: str, *, session: str, user: str) -> Mapping[str, Any]:
    """Make the message that has a kernel run code (Jupyter messaging protocol 5.3)."""
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "session": session,
            "username": user,
            "date": "",
            "msg_type": "execute_request",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "buffers": [],
        "channel": "shell",
        "content": {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
    }
