"""Certificates from files, and none at all: the manager of the other tests changes over and back."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from live.probe import FixedResolver
from swarmhub.text import OwnCertificate
from tests.door.conftest import DOMAIN, RELOAD_SECONDS, STATE, Manager, curl, serial
from tests.support.certificates import Authority

END = "-----END CERTIFICATE-----\n"
CA = "/var/lib/swarmhub/own-ca.pem"
OWN = {"issuer": "files", "certificate_file": "unread.pem", "key_file": "unread.key"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def issue(authority: Authority) -> OwnCertificate:
    """A new certificate for the hub's name."""
    certificate, key = authority.issue(DOMAIN)
    return OwnCertificate(chain=certificate.read_text(), key=key.read_text())


def wait_until_served(manager: Manager) -> None:
    """Wait until nginx serves the certificate that is in place; the signal to reload returns at once."""
    deadline = time.monotonic() + RELOAD_SECONDS
    expected = ssl.PEM_cert_to_DER_cert(manager.served.read_text().partition(END)[0] + END)
    while ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", 443))) != expected:
        assert time.monotonic() < deadline, f"{manager.served} is not served"
        time.sleep(0.1)
    manager.await_former_workers()


@contextmanager
def changed_over(manager: Manager) -> Iterator[None]:
    """Let the block change to another issuer, then change back as `up` would."""
    before = serial(manager.served)
    orders = manager.orders()
    try:
        yield
    finally:
        manager.configure()
        manager.ensure_front_door(changed="back")
        manager.certify()
    # It was kept: nothing was ordered of the issuer, who gives few.
    assert serial(manager.served) == before
    assert manager.orders() == orders + 1


@pytest.fixture
def own(certified: Manager, authority: Authority) -> Iterator[Manager]:
    with changed_over(certified):
        (certified.files / CA.lstrip("/")).write_text(authority.certificate.read_text())
        certified.configure(own=issue(authority), tls=OWN)
        certified.ensure_front_door(changed="changed", orders="no-orders")
        wait_until_served(certified)
        yield certified


@pytest.mark.usefixtures("upstream")
def test_a_certificate_from_files_is_served_and_nothing_renews_it(own: Manager) -> None:
    status, headers, _ = curl(own, "--cacert", CA, f"https://{DOMAIN}/user/ada/x")
    assert status.split()[1] == "200"
    assert "strict-transport-security" in headers
    assert not (own.files / "etc/swarmhub/front-door/certificate.env").exists()
    asked = (own.files / "var/lib/swarmhub/systemctl").read_text().splitlines()
    assert asked[-2:] == [
        "disable --now --quiet swarmhub-certificate.timer",
        "stop swarmhub-certificate.service",
    ]


def test_another_certificate_in_the_files_is_taken_up(own: Manager, authority: Authority) -> None:
    before = serial(own.served)
    own.configure(own=issue(authority), tls=OWN)
    own.ensure_front_door(changed="changed", orders="no-orders")
    wait_until_served(own)
    assert serial(own.served) != before
    assert (own.files / STATE / "certificate/privkey.pem").stat().st_mode & 0o777 == 0o600


STUDENT = f"ada.{DOMAIN}"
AT_STUDENT = ("--resolve", f"{STUDENT}:443:127.0.0.1", "--resolve", f"{STUDENT}:80:127.0.0.1")


@pytest.fixture
def by_host(certified: Manager, authority: Authority) -> Iterator[Manager]:
    with changed_over(certified):
        (certified.files / CA.lstrip("/")).write_text(authority.certificate.read_text())
        certified.configure(own=issue(authority), tls=OWN, subdomains=True)
        certified.ensure_front_door(changed="changed", orders="no-orders")
        wait_until_served(certified)
        yield certified


@pytest.mark.usefixtures("upstream")
def test_a_students_own_host_is_served_and_led_to_https(by_host: Manager) -> None:
    status, headers, body = curl(by_host, *AT_STUDENT, "--cacert", CA, f"https://{STUDENT}/user/ada/x")
    assert status.split()[1] == "200"
    assert "strict-transport-security" in headers
    assert json.loads(body)["headers"]["host"] == STUDENT
    status, headers, _ = curl(by_host, *AT_STUDENT, f"http://{STUDENT}/user/ada/x?a=b")
    assert (status.split()[1], headers["location"]) == ("301", f"https://{STUDENT}/user/ada/x?a=b")


@pytest.mark.usefixtures("upstream")
def test_a_host_that_only_ends_alike_is_none_of_the_hubs(by_host: Manager) -> None:
    elsewhere = f"Host: another{DOMAIN}"
    status, _, _ = curl(by_host, "--insecure", "--header", elsewhere, "https://127.0.0.1/")
    assert status.split()[1] == "421"
    _, headers, _ = curl(by_host, "--header", elsewhere, "http://127.0.0.1/")
    assert headers["location"] == f"https://{DOMAIN}/"


@pytest.fixture
def plain(certified: Manager) -> Iterator[Manager]:
    with changed_over(certified):
        certified.configure(tls={"issuer": "none"})
        certified.ensure_front_door(changed="changed", orders="no-orders")
        deadline = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < deadline and listens(443):
            time.sleep(0.1)
        yield certified


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.usefixtures("upstream")
def test_without_a_certificate_the_hub_is_served_in_clear(plain: Manager) -> None:
    status, headers, body = curl(plain, f"http://{DOMAIN}/user/ada/x")
    assert status.split()[1] == "200"
    assert "strict-transport-security" not in headers
    # From this the hub knows that its cookies may not be for https alone.
    assert json.loads(body)["headers"]["x-forwarded-proto"] == "http"
    assert not listens(443)


@pytest.mark.usefixtures("upstream")
def test_without_a_certificate_another_host_is_led_to_the_hub(plain: Manager) -> None:
    status, headers, _ = curl(plain, "--header", "Host: elsewhere.example.org", "http://127.0.0.1/hub/?a=b")
    assert status.split()[1] == "301"
    assert headers["location"] == f"http://{DOMAIN}/hub/?a=b"


def test_without_a_certificate_the_page_of_a_hub_that_is_down_says_no_more(plain: Manager) -> None:
    status, headers, body = curl(plain, "--header", "Accept: text/html", f"http://{DOMAIN}/hub/login")
    assert status.split()[1] == "503"
    assert "The hub is starting" in body
    assert "strict-transport-security" not in headers


@pytest.mark.usefixtures("upstream")
def test_without_a_certificate_websockets_pass(plain: Manager) -> None:
    async def echo() -> str:
        connector = aiohttp.TCPConnector(resolver=FixedResolver("127.0.0.1"))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.ws_connect(f"http://{DOMAIN}/user/ada/ws") as ws,
        ):
            await ws.send_str("there and back")
            return await ws.receive_str(timeout=5)

    assert asyncio.run(echo()) == "there and back"
