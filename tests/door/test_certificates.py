"""Ordering, keeping, renewing: real ACME client and server, and nginx under load and with WebSockets open."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from live.probe import FixedResolver
from tests.door.conftest import DOMAIN, ORDER_SECONDS, STATE, Manager, serial

WEBSOCKETS = 50
CLIENTS = 8


@asynccontextmanager
async def browser(manager: Manager, *, keep: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the ACME server's issuer alone; a connection is for one request, or kept."""
    context = ssl.create_default_context(cafile=str(manager.issuer))
    connector = aiohttp.TCPConnector(
        resolver=FixedResolver("127.0.0.1"), ssl=context, force_close=not keep, limit=0
    )
    async with aiohttp.ClientSession(f"https://{DOMAIN}", connector=connector) as http:
        yield http
    # aiohttp closes TLS in the loop's next rounds.
    await asyncio.sleep(0.1)


def facts(manager: Manager, certificate: str) -> str:
    options = ("-noout", "-issuer", "-ext", "subjectAltName", "-checkend", str(7 * 86_400))
    return manager.run("openssl", "x509", "-in", certificate, *options)[1]


@pytest.mark.usefixtures("upstream")
def test_an_order_replaces_the_certificate_made_for_the_start(certified: Manager) -> None:
    assert f"DNS:{DOMAIN}" in facts(certified, f"/{STATE}/certificate/fullchain.pem")

    async def fetch() -> int:
        async with browser(certified) as http, http.get("/user/ada/x") as response:
            return response.status

    assert asyncio.run(fetch()) == 200


def test_what_is_not_due_is_not_ordered_again(certified: Manager) -> None:
    before = serial(certified.served)
    certified.certify()
    assert serial(certified.served) == before


def test_a_rebuilt_machine_takes_the_certificate_from_the_volume(certified: Manager) -> None:
    before = serial(certified.served)
    for file in certified.served.parent.iterdir():
        file.unlink()
    certified.ensure_front_door()
    assert serial(certified.served) != before
    certified.certify()
    assert serial(certified.served) == before


def test_a_change_of_issuer_orders_and_a_change_back_does_not(certified: Manager) -> None:
    env = certified.files / "etc/swarmhub/front-door/certificate.env"
    former, before = env.read_text(), serial(certified.served)
    env.write_text(former.replace("127.0.0.1:14000", "localhost:14000"))
    try:
        certified.certify()
        other = serial(certified.served)
    finally:
        env.write_text(former)
    certified.certify()
    assert other != before
    assert serial(certified.served) == before


@pytest.mark.usefixtures("upstream")
def test_a_renewal_drops_no_request_and_no_websocket(certified: Manager) -> None:
    before = serial(certified.served)
    failures: list[str] = []
    served: list[float] = []

    async def ask(http: aiohttp.ClientSession, done: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not done.is_set():
            begin = loop.time()
            try:
                async with http.get("/user/ada/x") as response:
                    await response.read()
                    if response.status != 200:
                        failures.append(f"HTTP {response.status}")
            except aiohttp.ClientError as error:
                failures.append(repr(error))
            served.append(loop.time() - begin)

    def ask_by_http2(done: asyncio.Event) -> set[str]:
        """Ask many times at once over one connection, again and again; return what was answered, and how."""
        answers: set[str] = set()
        while not done.is_set():
            # With a log of its own: the order that goes on meanwhile has the other one.
            asked = certified.start(
                *("curl", "--silent", "--show-error", "--http2", "--insecure", "--parallel"),
                *("--resolve", f"{DOMAIN}:443:127.0.0.1", "--output", "/dev/null"),
                *("--write-out", r"%{http_version} %{http_code}\n", f"https://{DOMAIN}/user/ada/x?[1-200]"),
                log="http2.log",
            )
            code = asked.wait(timeout=ORDER_SECONDS)
            said = (certified.files / "http2.log").read_text()
            (certified.files / "http2.log").unlink()
            answers |= {*said.splitlines(), f"curl {code}"}
        return answers

    async def renew() -> list[str]:
        async with (
            browser(certified) as http,
            browser(certified, keep=True) as keeping,
            AsyncExitStack() as opened,
        ):
            sockets = [
                await opened.enter_async_context(http.ws_connect("/user/ada/ws")) for _ in range(WEBSOCKETS)
            ]
            done = asyncio.Event()
            clients = [
                asyncio.create_task(ask(each, done)) for each in (http, keeping) for _ in range(CLIENTS)
            ]
            by_http2 = asyncio.create_task(asyncio.to_thread(ask_by_http2, done))
            try:
                await asyncio.to_thread(certified.certify, "--force")
                # nginx begins the new workers after it was told.
                await asyncio.sleep(1)
            finally:
                # A thread that goes on would keep the loop from ending.
                done.set()
            await asyncio.gather(*clients)
            assert await by_http2 == {"2 200", "curl 0"}
            answers = []
            for number, each in enumerate(sockets):
                await each.send_str(str(number))
                answers.append(await each.receive_str(timeout=5))
            return answers

    answers = asyncio.run(renew())
    assert serial(certified.served) != before
    assert failures == []
    assert len(served) > CLIENTS
    assert answers == [str(number) for number in range(WEBSOCKETS)]


def test_a_name_that_leads_nowhere_is_a_sentence(certified: Manager) -> None:
    env = certified.files / "etc/swarmhub/front-door/certificate.env"
    former = env.read_text()
    env.write_text(former.replace(f"DOMAIN={DOMAIN}", "DOMAIN=nowhere.example.test"))
    try:
        code, said = certified.order()
    finally:
        env.write_text(former)
    assert code == 3
    last = said.strip().splitlines()[-1]
    assert last.startswith("certificate: https://127.0.0.1:14000/dir gave none for nowhere.example.test: ")
    assert "nowhere.example.test" in last.partition("none for nowhere.example.test: ")[2]


def test_an_issuer_that_does_not_answer_is_a_sentence(certified: Manager) -> None:
    env = certified.files / "etc/swarmhub/front-door/certificate.env"
    former = env.read_text()
    env.write_text(former.replace("127.0.0.1:14000", "127.0.0.1:9"))
    try:
        code, said = certified.order()
    finally:
        env.write_text(former)
    assert code == 1
    assert said.strip().splitlines()[-1].startswith("certificate: https://127.0.0.1:9/dir gave none for ")
    assert "refused" in said.strip().splitlines()[-1]


def test_an_order_goes_on_when_a_nonce_is_rejected(certified: Manager) -> None:
    def retried() -> bool:
        logs = (certified.files / STATE / "acme").rglob("letsencrypt.log*")
        return any(REJECTED in log.read_text(errors="replace") for log in logs)

    # One in ten is rejected, and an order takes about eight.
    for _ in range(12):
        certified.certify("--force")
        if retried():
            return
    pytest.fail("no nonce was rejected")


def test_the_key_is_its_owners_alone(certified: Manager) -> None:
    assert (certified.served.parent / "privkey.pem").stat().st_mode & 0o777 == 0o600
    for key in (certified.files / STATE / "acme").rglob("privkey*.pem"):
        assert key.resolve().stat().st_mode & 0o077 == 0
    orders: Path = certified.files / "var/lib/swarmhub/orders"
    assert orders.read_text().count("certonly") >= 1


REJECTED = "Retrying request after error:\nurn:ietf:params:acme:error:badNonce"
# With a key of ECDSA those of RSA do not come up, and the other way round.
SUITES_OF_VERSION_6 = {
    f"ECDHE-{key}-{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
}


def test_sslyze_finds_mozillas_intermediate_profile(certified: Manager, tmp_path: Path) -> None:
    report = certified.files / "var/lib/swarmhub/sslyze.json"
    trusted = certified.files / "var/lib/swarmhub/issuer.pem"
    trusted.write_text(certified.issuer.read_text())
    code, said = certified.run(
        "/opt/sslyze/bin/sslyze",
        "--mozilla_config=intermediate",
        "--certinfo_ca_file=/var/lib/swarmhub/issuer.pem",
        f"--sni={DOMAIN}",
        "--json_out=/var/lib/swarmhub/sslyze.json",
        "127.0.0.1:443",
    )
    (tmp_path / "sslyze.txt").write_text(said)
    assert code == 0, said[-3000:]
    assert "OK - Compliant" in said
    scanned = json.loads(report.read_text())["server_scan_results"][0]["scan_result"]
    for broken in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert scanned[f"{broken}_cipher_suites"]["result"]["accepted_cipher_suites"] == []
    assert scanned["heartbleed"]["result"]["is_vulnerable_to_heartbleed"] is False
    # The profile that sslyze knows is 5.7; version 6 has neither DHE nor stapling.
    accepted = scanned["tls_1_2_cipher_suites"]["result"]["accepted_cipher_suites"]
    assert {each["cipher_suite"]["openssl_name"] for each in accepted} <= SUITES_OF_VERSION_6
    deployments = scanned["certificate_info"]["result"]["certificate_deployments"]
    assert [each["ocsp_response"] for each in deployments] == [None] * len(deployments)
    assert deployments


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("X25519MLKEM768:X25519:P-256", "X25519MLKEM768"),
        ("X25519:P-256", "X25519"),
        ("P-256", "ECDH, prime256v1"),
    ],
)
def test_key_exchange_withstands_quantum_computers_where_the_client_can(
    certified: Manager, offered: str, agreed: str
) -> None:
    code, said = certified.run(
        "sh",
        "-c",
        f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN} -groups {offered} </dev/null",
    )
    assert code == 0
    assert re.search(rf"(Negotiated TLS1.3 group|Peer Temp Key|Server Temp Key): {agreed}\b", said), said
