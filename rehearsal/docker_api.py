"""Docker's API over a Unix socket, as far as tests and benchmarks ask it."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

VERSION = "v1.41"
TIMEOUT_SECONDS = 60.0
LOG_HEAD_BYTES = 8


class DockerError(Exception):
    """What the daemon answered instead of what was asked; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class DockerApi:
    """One daemon."""

    path: Path

    def _call(self, method: str, resource: str, body: Any, query: dict[str, Any]) -> bytes:
        words = {
            name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()
        }
        connection = _UnixConnection(self.path)
        try:
            connection.request(
                method,
                f"/{VERSION}{resource}?{urlencode(words)}",
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            try:
                message = str(json.loads(content)["message"])
            except (ValueError, KeyError, TypeError):
                message = content.decode(errors="replace")
            raise DockerError(response.status, message)
        return content

    def get(self, resource: str, **query: Any) -> Any:
        """Ask for something; mappings in the query, such as ``filters``, are sent as JSON."""
        content = self._call("GET", resource, None, query)
        return json.loads(content) if content else None

    def read_log(self, resource: str, **query: Any) -> str:
        """Ask for a log; each piece comes with a head of its stream's number and its own length."""
        content = self._call("GET", resource, None, {"stdout": "1", "stderr": "1", **query})
        pieces = []
        while content:
            end = LOG_HEAD_BYTES + int.from_bytes(content[4:LOG_HEAD_BYTES], "big")
            pieces.append(content[LOG_HEAD_BYTES:end])
            content = content[end:]
        return b"".join(pieces).decode(errors="replace")

    def post(self, resource: str, body: Any = None, **query: Any) -> Any:
        """Make or change something."""
        content = self._call("POST", resource, body, query)
        try:
            return json.loads(content) if content else None
        except json.JSONDecodeError:
            return content.decode(errors="replace")

    def delete(self, resource: str, **query: Any) -> None:
        """Remove something."""
        self._call("DELETE", resource, None, query)

    def answers(self) -> bool:
        """Whether the daemon is there; raises OSError while it is not."""
        return bool(self._call("GET", "/_ping", None, {}))


def encode(text: str) -> str:
    """Return a text as Docker takes the data of configs and secrets."""
    return base64.b64encode(text.encode()).decode()
