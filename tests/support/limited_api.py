"""An HTTP proxy that turns away every so many requests as a cloud does whose API is asked too often."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding"}
ANSWER_SECONDS = 120


@dataclass
class Limit:
    """Of so many requests, the last is turned away; ``refused`` tells which were, by method and path."""

    one_in: int
    address: str = ""
    refused: list[str] = field(default_factory=list)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuses(self, method: str, path: str) -> bool:
        with self._lock:
            self._count += 1
            if self._count % self.one_in:
                return False
            self.refused.append(f"{method} {path}")
            return True


class _Forward(BaseHTTPRequestHandler):
    limit: ClassVar[Limit]
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _forward(self) -> None:
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.limit.refuses(self.command, target.path):
            self._answer(429, [("Retry-After", "1")], b"Too many requests.")
            return
        upstream = http.client.HTTPConnection(target.netloc, timeout=ANSWER_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        path = target.path + (f"?{target.query}" if target.query else "")
        upstream.request(self.command, path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        skipped = HOP_BY_HOP | {"content-length"}
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in skipped]
        self._answer(answer.status, kept, content)
        upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _forward

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing: ``Limit.refused`` tells."""


@contextmanager
def limited_api(one_in: int) -> Iterator[Limit]:
    """Have the proxy on a port of this machine for a while; its URL is the limit's ``address``."""
    limit = Limit(one_in)
    handler = type("Forward", (_Forward,), {"limit": limit})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    limit.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield limit
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
