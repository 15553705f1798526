"""A hub as far as the probe meets it, with the answers that JupyterHub 5.5 and 6.1 gave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from aiohttp import web
from yarl import URL

USER = "swarmhub-probe"
PASSWORD = "a-user-password"
TOKEN = "a-token-of-the-probe-service"
HUB_API = f"/hub/api/users/{USER}"
SERVER = f"/user/{USER}"
QUOTA_GB = 0.1
QUOTA_BYTES = 107_376_640
NFS_OPTIONS = ["rw", "vers=4.2", "clientaddr=10.20.0.12", "addr=10.20.0.11"]


@dataclass
class FakeHub:
    """The first fields are the hub's state, the others what it does wrong."""

    user_exists: bool = False
    server: dict[str, Any] | None = None
    file: str | None = None
    calls: list[str] = field(default_factory=list)

    unavailable_answers: int = 0
    start_failure: str | None = None
    start_never_ends: bool = False
    progress_is_cut: bool = False
    loses_files: bool = False
    closes_kernel: bool = False
    cell_error: str | None = None
    user_is_kept: bool = False
    home: dict[str, Any] = field(
        default_factory=lambda: {
            "directory": "/home/jovyan",
            "kind": "nfs4",
            "options": NFS_OPTIONS,
            "size_bytes": QUOTA_BYTES,
        }
    )
    written_bytes: int = QUOTA_BYTES - 2**20
    stopped_by: str = "ENOSPC"

    @asynccontextmanager
    async def serve(self, tls: SSLContext | None = None, name: str = "127.0.0.1") -> AsyncIterator[URL]:
        """Listen on loopback and give the URL."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/hub/login", self._show_login_form),
                web.post("/hub/login", self._log_in),
                web.get(HUB_API, self._show_user),
                web.delete(HUB_API, self._delete_user),
                web.post(f"{HUB_API}/server", self._start_server),
                web.delete(f"{HUB_API}/server", self._stop_server),
                web.get(f"{HUB_API}/server/progress", self._tell_progress),
                web.get(f"{SERVER}/lab", self._show_lab),
                web.post(f"{SERVER}/api/kernels", self._start_kernel),
                web.get(f"{SERVER}/api/kernels/k1/channels", self._run_cell),
                web.get(f"{SERVER}/api/contents/probe.txt", self._read_file),
                web.delete(f"{SERVER}/api/contents/probe.txt", self._delete_file),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        try:
            yield URL.build(scheme="https" if tls else "http", host=name, port=runner.addresses[0][1])
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Record the call; refuse it without the token, or without the cookie and the XSRF header."""
        self.calls.append(f"{request.method} {request.path}")
        if request.path.startswith("/hub/api/") and request.headers.get("Authorization") != f"token {TOKEN}":
            return web.json_response(
                {"status": 403, "message": "Missing or invalid credentials."}, status=403
            )
        if request.path.startswith(SERVER):
            if request.cookies.get("login") != "of-the-user":
                return web.json_response({"message": "Forbidden"}, status=403)
            if request.method != "GET" and request.headers.get("X-XSRFToken") != "server-xsrf":
                return web.json_response({"message": "'_xsrf' argument missing"}, status=403)
        return await handler(request)

    async def _show_login_form(self, request: web.Request) -> web.Response:
        if self.unavailable_answers:
            self.unavailable_answers -= 1
            return web.Response(status=502)
        form = '<input type="hidden" name="_xsrf" value="form-xsrf"/>'
        response = web.Response(text=form, content_type="text/html")
        response.set_cookie("_xsrf", "form-xsrf", path="/hub/")
        return response

    async def _log_in(self, request: web.Request) -> web.Response:
        sent = await request.post()
        if sent.get("_xsrf") != "form-xsrf" or request.cookies.get("_xsrf") != "form-xsrf":
            return web.Response(status=403, text='<p class="login_error">\n  Login form invalid\n</p>')
        if (sent.get("username"), sent.get("password")) != (USER, PASSWORD):
            return web.Response(status=403, text='<p class="login_error">\n  Invalid username\n</p>')
        self.user_exists = True
        response = web.Response(status=302, headers={"Location": "/hub/spawn"})
        response.set_cookie("login", "of-the-user", path="/")
        return response

    async def _show_user(self, request: web.Request) -> web.Response:
        if not self.user_exists:
            return web.json_response({"status": 404, "message": "Not Found"}, status=404)
        servers = {"": self.server} if self.server else {}
        if self.server and self.server.get("pending") == "stop":
            self.server = None
        return web.json_response({"name": USER, "servers": servers})

    async def _delete_user(self, request: web.Request) -> web.Response:
        if self.server or self.user_is_kept:
            return web.json_response(
                {"message": f"{USER}'s server is in the process of stopping"}, status=400
            )
        self.user_exists = False
        return web.Response(status=204)

    async def _start_server(self, request: web.Request) -> web.Response:
        if self.start_failure:
            return web.json_response({"status": 500, "message": "Internal Server Error"}, status=500)
        self.server = {"ready": False, "pending": "spawn"}
        return web.Response(status=202)

    async def _stop_server(self, request: web.Request) -> web.Response:
        self.server = {"ready": False, "pending": "stop"}
        return web.Response(status=202)

    async def _tell_progress(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def tell(**event: Any) -> None:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())

        if self.start_failure:
            await tell(progress=100, failed=True, message=f"Spawn failed: {self.start_failure}")
            return response
        await tell(progress=10, message="The task is assigned")
        if self.start_never_ends:
            await asyncio.sleep(60)
        self.server = {"ready": True, "pending": None}
        if self.progress_is_cut:
            assert request.transport is not None
            request.transport.abort()
            return response
        await tell(progress=100, ready=True, message="Server ready")
        return response

    async def _show_lab(self, request: web.Request) -> web.Response:
        response = web.Response(text="JupyterLab")
        response.set_cookie("_xsrf", "server-xsrf", path=f"{SERVER}/")
        return response

    async def _start_kernel(self, request: web.Request) -> web.Response:
        assert self.server and self.server["ready"]
        return web.json_response({"id": "k1"}, status=201)

    async def _run_cell(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = await socket.receive_json()
        if self.closes_kernel:
            await socket.close()
            return socket
        self.file = "42, written by the cell"
        printed = {
            "product": 42,
            "hostname": "c0ffee",
            "file": "probe.txt",
            "text": self.file,
            "home": self.home,
        }

        async def answer(kind: str, parent: dict[str, Any], **content: Any) -> None:
            await socket.send_json({"msg_type": kind, "parent_header": parent, "content": content})

        await answer("status", {"msg_id": "of-someone-else"}, execution_state="idle")
        await answer("status", message["header"], execution_state="busy")
        if "most_bytes" in message["content"]["code"]:
            outcome = {"written_bytes": self.written_bytes, "stopped_by": self.stopped_by, "removed": True}
            await answer("stream", message["header"], name="stdout", text=json.dumps(outcome) + "\n")
        elif self.cell_error:
            await answer("error", message["header"], ename="OSError", evalue=self.cell_error)
        else:
            await answer("stream", message["header"], name="stdout", text=json.dumps(printed) + "\n")
        await answer("status", message["header"], execution_state="idle")
        await socket.close()
        return socket

    async def _read_file(self, request: web.Request) -> web.Response:
        if self.loses_files or self.file is None:
            return web.json_response({"message": "No such file or directory: probe.txt"}, status=404)
        return web.json_response({"content": self.file})

    async def _delete_file(self, request: web.Request) -> web.Response:
        self.file = None
        return web.Response(status=204)
