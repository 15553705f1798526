"""What nginx does with requests of every kind, in front of a server that tells what it got."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from rehearsal.host import wait_for
from swarmhub.text import ERROR_PAGES_PORT
from tests.door.conftest import DOMAIN, UPLOAD_MAX_MB, Manager, curl
from tests.door.services import PROXY_PORT, configurable_proxy, hub_that_knows, proxy
from tests.door.test_certificates import browser
from tests.hub.programs import install

# proxy_read_timeout and proxy_send_timeout where nothing is said of them.
NGINX_DEFAULT_SECONDS = 60
BROWSER = "Accept: text/html,application/xhtml+xml"
TRUST = ("--cacert", "/var/lib/swarmhub/issuer.pem")


@pytest.fixture
def door(certified: Manager) -> Manager:
    (certified.files / "var/lib/swarmhub/issuer.pem").write_text(certified.issuer.read_text())
    return certified


@pytest.mark.usefixtures("upstream")
def test_http2_is_spoken_and_the_clients_address_kept(door: Manager) -> None:
    status, headers, body = curl(door, *TRUST, "--http2", f"https://{DOMAIN}/user/ada/x")
    assert status.startswith("HTTP/2 200")
    assert headers["strict-transport-security"] == "max-age=63072000"
    seen = json.loads(body)["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["host"] == DOMAIN


@pytest.mark.usefixtures("upstream")
def test_an_address_that_the_client_claims_is_not_believed(door: Manager) -> None:
    claim = "X-Forwarded-For: 192.0.2.1"
    _, _, body = curl(door, *TRUST, "--header", claim, f"https://{DOMAIN}/")
    assert json.loads(body)["headers"]["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.usefixtures("upstream")
def test_http_1_0_is_answered(door: Manager) -> None:
    status, _, _ = curl(door, *TRUST, "--http1.0", f"https://{DOMAIN}/user/ada/x")
    assert status.split()[1] == "200"


def ask_plainly(request: str) -> str:
    with socket.create_connection(("127.0.0.1", 80), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


@pytest.mark.usefixtures("certified")
@pytest.mark.parametrize(
    "request_text",
    [
        "GET /hub/?a=b HTTP/1.0\r\n\r\n",
        "GET /hub/?a=b HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n",
        "GET /hub/?a=b HTTP/1.1\r\nHost: elsewhere.example.org\r\nConnection: close\r\n\r\n",
    ],
    ids=["1.0 without a host", "an address", "another host"],
)
def test_plain_http_leads_to_the_hub_whatever_the_host(request_text: str) -> None:
    answer = ask_plainly(request_text)
    assert answer.splitlines()[0].split()[1] == "301"
    assert f"Location: https://{DOMAIN}/hub/?a=b\r\n" in answer


@pytest.mark.usefixtures("certified")
def test_what_is_no_http_is_refused() -> None:
    assert ask_plainly("SSH-2.0-OpenSSH_9\r\n\r\n").splitlines()[0].split()[1] == "400"


def test_another_host_by_https_is_misdirected(door: Manager) -> None:
    status, _, _ = curl(door, "--insecure", "--header", "Host: elsewhere.example.org", "https://127.0.0.1/")
    assert status.split()[1] == "421"


@pytest.mark.usefixtures("upstream")
def test_uploads_pass_up_to_the_size_that_is_set(door: Manager) -> None:
    fits, too_large = UPLOAD_MAX_MB - 1, UPLOAD_MAX_MB + 1
    for megabytes, expected in ((fits, "200"), (too_large, "413")):
        file = door.files / "var/lib/swarmhub/upload"
        with file.open("wb") as stream:
            stream.truncate(megabytes << 20)
        url = f"https://{DOMAIN}/user/ada/upload"
        upload = ("--data-binary", "@/var/lib/swarmhub/upload", "--header", "Expect:")
        status, _, body = curl(door, *TRUST, *upload, url)
        assert status.split()[1] == expected
        if expected == "200":
            assert json.loads(body)["length"] == megabytes << 20


def test_while_nothing_is_behind_browsers_get_a_page_that_looks_again(door: Manager) -> None:
    status, headers, body = curl(door, *TRUST, "--header", BROWSER, f"https://{DOMAIN}/hub/login")
    assert status.split()[1] == "503"
    assert headers["retry-after"] == "5"
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "text/html"
    assert "strict-transport-security" in headers
    assert '<meta http-equiv="refresh" content="5">' in body


def test_while_nothing_is_behind_programs_get_the_plain_status(door: Manager) -> None:
    status, headers, body = curl(
        door, *TRUST, "--header", "Accept: application/json", f"https://{DOMAIN}/hub/api/"
    )
    assert status.split()[1] == "503"
    assert headers["retry-after"] == "5"
    assert headers["content-type"] == "text/plain"
    assert "<" not in body


def test_while_nothing_is_behind_a_websocket_is_refused_plainly(door: Manager) -> None:
    async def connect() -> int:
        async with browser(door) as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect("/user/ada/ws", headers={"Accept": "text/html"})
            return refused.value.status

    assert asyncio.run(connect()) == 503


@pytest.mark.usefixtures("upstream")
def test_a_websocket_may_be_silent_for_longer_than_nginx_has_it(door: Manager) -> None:
    async def be_silent() -> str:
        async with browser(door) as http, http.ws_connect("/user/ada/ws", heartbeat=None) as socket:
            await asyncio.sleep(NGINX_DEFAULT_SECONDS + 2)
            await socket.send_str("still there")
            return await socket.receive_str(timeout=10)

    assert asyncio.run(be_silent()) == "still there"


@pytest.mark.usefixtures("upstream")
def test_a_hub_that_is_down_behind_its_proxy_gets_the_page_too(door: Manager) -> None:
    _, _, body = curl(door, *TRUST, "--header", BROWSER, f"https://{DOMAIN}/hub/home?status=503")
    assert "The hub is starting" in body


@pytest.mark.usefixtures("upstream")
@pytest.mark.parametrize(
    "path", ["/user/ada/lab?status=503", "/hub/api/users?status=503", "/hub/x?status=404"]
)
def test_what_servers_and_the_hub_say_themselves_is_passed_on(door: Manager, path: str) -> None:
    status, _, body = curl(door, *TRUST, "--header", BROWSER, f"https://{DOMAIN}{path}")
    assert status.split()[1] == path[-3:]
    assert json.loads(body)["path"] == path.partition("?")[0]


@pytest.fixture
def real_proxy(door: Manager) -> Iterator[None]:
    """The real proxy as the deployment starts it, with a hub that is down."""
    log = door.files / "proxy.log"
    target = f"http://127.0.0.1:{ERROR_PAGES_PORT}/hub/error"
    with configurable_proxy(install(), "http://127.0.0.1:9", log, "--error-target", target) as started:
        wait_for(
            "proxy",
            listens,
            log=log,
            timeout_seconds=20,
            interval_seconds=0.1,
            while_true=lambda: started.poll() is None,
        )
        yield


def listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PROXY_PORT)) == 0


@pytest.mark.usefixtures("real_proxy")
def test_a_server_that_is_not_there_has_the_page_while_the_hub_is_down(door: Manager) -> None:
    status, headers, body = curl(door, *TRUST, "--header", BROWSER, f"https://{DOMAIN}/user/ada/lab")
    assert status.split()[1] == "503"
    assert headers["content-type"] == "text/html"
    assert '<meta http-equiv="refresh" content="5">' in body


@pytest.mark.usefixtures("real_proxy")
def test_a_server_that_does_not_answer_has_the_hubs_own_page(door: Manager) -> None:
    with hub_that_knows():
        status, _, body = curl(door, *TRUST, "--header", BROWSER, f"https://{DOMAIN}/user/ada/lab")
    assert status.split()[1] == "503"
    assert body == "the hub on /hub/error/503?url=%2Fuser%2Fada%2Flab"


def test_nginx_comes_back_to_a_proxy_that_comes_back(door: Manager) -> None:
    url = f"https://{DOMAIN}/user/ada/x"
    assert curl(door, *TRUST, url)[0].split()[1] == "503"
    with proxy():
        assert curl(door, *TRUST, url)[0].split()[1] == "200"


def test_the_configuration_is_reloaded_when_it_changes(door: Manager) -> None:
    path = Path("etc/swarmhub/front-door/nginx.conf")
    text = (door.files / path).read_text()
    (door.files / path).write_text(text.replace("return 421", "return 404"))
    door.ensure_front_door(changed=f"/{path}")

    async def until_status(expected: str) -> None:
        for _ in range(50):
            if curl(door, "--insecure", "https://127.0.0.1/")[0].split()[1] == expected:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"no answer {expected}")

    asyncio.run(until_status("404"))
    (door.files / path).write_text(text)
    door.ensure_front_door(changed=f"/{path}")
    asyncio.run(until_status("421"))
