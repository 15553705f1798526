"""What stands around the front door in its tests: name server, proxy with a server behind it."""

from __future__ import annotations

import asyncio
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiohttp import WSMsgType, web

from swarmhub.text.hub import HUB_PORT
from tests.hub.programs import Programs, environment_of
from tests.hub.running import process

PROXY_PORT, API_PORT = 8000, 8001
UPLOAD_LIMIT_BYTES = 1 << 40


def respond(packet: bytes, names: Mapping[str, str]) -> bytes:
    """Answer a DNS query: A records for these names, all others do not exist."""
    query = dns.message.from_wire(packet)
    question = query.question[0]
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    found = names.get(question.name.to_text(omit_final_dot=True).lower())
    if found is None:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        answer.answer.append(dns.rrset.from_text(question.name, 5, "IN", "A", found))
    return answer.to_wire()


@contextmanager
def name_server(address: str, names: Mapping[str, str]) -> Iterator[None]:
    """Have a name server that knows these names; nginx asks it by UDP, Pebble by TCP."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, listener = self.request
            listener.sendto(respond(packet, names), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while size := self.rfile.read(2):
                answer = respond(self.rfile.read(int.from_bytes(size, "big")), names)
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    class TcpServer(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with (
        socketserver.UDPServer((address, 53), Datagram) as datagrams,
        TcpServer((address, 53), Stream) as streams,
    ):
        servers = (datagrams, streams)
        for server in servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield
        finally:
            for server in servers:
                server.shutdown()


async def _tell(request: web.Request) -> web.StreamResponse:
    """Say what arrived: headers and the length of the body. ``status`` in the query is answered with."""
    length = 0
    async for chunk in request.content.iter_any():
        length += len(chunk)
    status = int(request.query.get("status", 200))
    seen = {name.lower(): value for name, value in request.headers.items()}
    return web.json_response({"headers": seen, "length": length, "path": request.path}, status=status)


async def _echo(request: web.Request) -> web.StreamResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


@contextmanager
def configurable_proxy(
    programs: Programs, default_target: str, log: Path, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Have the real proxy where nginx looks for it."""
    environment = environment_of(programs) | {"CONFIGPROXY_AUTH_TOKEN": "nobody asks"}
    command = [
        *(str(programs.proxy), "--ip", "127.0.0.1", "--port", str(PROXY_PORT)),
        *("--api-ip", "127.0.0.1", "--api-port", str(API_PORT)),
        *("--default-target", default_target, "--log-level", "error", *options),
    ]
    with process(command, log, environment) as started:
        yield started


@contextmanager
def hub_that_knows() -> Iterator[None]:
    """Have something where the hub is, which has a page for an error."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"the hub on {self.path}".encode())

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", HUB_PORT), Pages) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        yield
        server.shutdown()


@contextmanager
def proxy() -> Iterator[None]:
    """Have a server where nginx looks for the proxy: ``/ws`` echoes, everything else tells what it got."""
    app = web.Application(client_max_size=UPLOAD_LIMIT_BYTES)
    app.router.add_get("/user/ada/ws", _echo)
    app.router.add_route("*", "/{path:.*}", _tell)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", PROXY_PORT, reuse_address=True).start()

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        # Connections that were cut close in the loop's next rounds.
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()
