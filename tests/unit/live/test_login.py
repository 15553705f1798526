"""The roster file and a provider's discovery document, as found on the way to a plan."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from live.login import discover, read_login_facts
from swarmhub.errors import UserError
from swarmhub.facts import Endpoints, LoginFacts
from swarmhub.roster import Person
from swarmhub.settings import Login, LoginKind


class Answers(BaseHTTPRequestHandler):
    """Serves ``server.documents`` by path."""

    def do_GET(self) -> None:
        body = self.server.documents.get(self.path)  # type: ignore[attr-defined]
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    listening = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield listening
    listening.shutdown()
    thread.join()
    listening.server_close()


def issuer(server: HTTPServer, **changes: Any) -> str:
    url = f"http://127.0.0.1:{server.server_port}/realm"
    document = {
        "issuer": f"{url}/",
        "authorization_endpoint": f"{url}/auth",
        "token_endpoint": f"{url}/token",
        "userinfo_endpoint": f"{url}/me",
    } | changes
    known = {name: value for name, value in document.items() if value is not None}
    server.documents = {"/realm/.well-known/openid-configuration": json.dumps(known)}  # type: ignore[attr-defined]
    return url


def refusal(url: str) -> str:
    with pytest.raises(UserError) as caught:
        asyncio.run(discover(url))
    return str(caught.value)


def test_a_provider_says_where_it_is_talked_to(server: HTTPServer) -> None:
    url = issuer(server)
    assert asyncio.run(discover(url)) == Endpoints(
        authorization=f"{url}/auth", token=f"{url}/token", userinfo=f"{url}/me"
    )


REMEDY = "Check the URL: the provider's documentation calls it issuer."


def test_a_document_without_an_endpoint_is_refused(server: HTTPServer) -> None:
    url = issuer(server, userinfo_endpoint=None)
    assert refusal(url) == (
        f"hub.login.issuer_url: {url}/.well-known/openid-configuration says nothing of userinfo_endpoint. "
        f"{REMEDY}"
    )


def test_a_document_of_another_issuer_is_refused(server: HTTPServer) -> None:
    url = issuer(server, issuer="https://id.example.org")
    assert "is of another issuer, https://id.example.org" in refusal(url)


def test_what_is_no_document_is_refused(server: HTTPServer) -> None:
    url = issuer(server)
    for body in ("<html>", "[]", '"text"'):
        server.documents["/realm/.well-known/openid-configuration"] = body  # type: ignore[attr-defined]
        assert "is not a JSON mapping" in refusal(url)
    assert "answers HTTP 404" in refusal(f"{url}/x")


def test_a_provider_that_is_not_there_is_named(server: HTTPServer) -> None:
    url = issuer(server)
    server.shutdown()
    server.server_close()
    assert refusal(url).startswith(
        f"hub.login.issuer_url: {url}/.well-known/openid-configuration cannot be read ("
    )


def test_the_roster_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text("grace, Grace Hopper\n")
    login = Login(kind=LoginKind.ROSTER, roster_file=str(file))
    assert read_login_facts(login) == LoginFacts(people=(Person(user="grace", full_name="Grace Hopper"),))


def test_a_roster_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, reason in (("missing.csv", "No such file or directory"), ("latin.csv", "it is not UTF-8")):
        (tmp_path / "latin.csv").write_bytes(b"zo\xeb\n")
        with pytest.raises(UserError) as caught:
            read_login_facts(Login(kind=LoginKind.ROSTER, roster_file=str(tmp_path / name)))
        assert f"hub.login.roster_file: '{tmp_path / name}' cannot be read ({reason})." in str(caught.value)


def test_other_logins_need_nothing() -> None:
    assert read_login_facts(Login()) == LoginFacts()
