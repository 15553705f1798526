"""A hub without a name: its address is certified for days, and renewed when the issuer says so."""

from __future__ import annotations

import datetime
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from rehearsal.acme import MANAGEMENT_PORT
from tests.door.conftest import STATE, Manager, serial

ADDRESS = "127.0.0.1"
DAY_SECONDS = 86_400


def ends_within(manager: Manager, seconds: int) -> bool:
    check = ("openssl", "x509", "-noout", "-checkend", str(seconds), "-in", str(manager.served))
    return subprocess.run(check, capture_output=True).returncode == 1


def say_that_it_is_due(manager: Manager) -> None:
    """Have the ACME server say, as the protocol's renewal information does, that the time has come."""
    now = datetime.datetime.now(datetime.UTC)
    window = {
        name: (now - datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, hours in (("start", 2), ("end", 1))
    }
    end = "-----END CERTIFICATE-----\n"
    leaf = manager.served.read_text().partition(end)[0] + end
    document = {"certificate": leaf, "ariResponse": json.dumps({"suggestedWindow": window})}
    request = urllib.request.Request(
        f"https://{ADDRESS}:{MANAGEMENT_PORT}/set-renewal-info/", data=json.dumps(document).encode()
    )
    context = ssl.create_default_context(cafile=str(manager.files / "acme/ca.pem"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=10) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def nameless(certified: Manager) -> Iterator[Manager]:
    """The manager of a hub without a name, from its first start on; afterwards as it was."""
    before = serial(certified.served)
    for file in certified.served.parent.iterdir():
        file.unlink()
    certified.configure(domain=ADDRESS)
    certified.ensure_front_door(changed="changed", domain=ADDRESS)
    try:
        yield certified
    finally:
        certified.configure()
        certified.ensure_front_door(changed="back")
        certified.certify()
    assert serial(certified.served) == before


def test_until_the_order_the_certificate_made_for_the_start_is_for_the_address(nameless: Manager) -> None:
    shown = ("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", str(nameless.served))
    said = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    assert "IP Address:127.0.0.1" in said


@pytest.fixture(scope="module")
def ordered(nameless: Manager) -> Manager:
    """The same with the issuer's certificate in use. Once: the next look asks the issuer when it is due."""
    nameless.certify()
    return nameless


@pytest.mark.usefixtures("upstream")
def test_an_address_is_certified_for_days_and_served(ordered: Manager) -> None:
    assert ends_within(ordered, 7 * DAY_SECONDS)
    assert not ends_within(ordered, 5 * DAY_SECONDS)
    context = ssl.create_default_context(cafile=str(ordered.issuer))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    # By plain http first: what leads to https names the address too. Verified as a browser verifies it.
    with opener.open(f"http://{ADDRESS}/user/ada/x", timeout=10) as answer:
        assert answer.url == f"https://{ADDRESS}/user/ada/x"
        assert json.load(answer)["headers"]["host"] == ADDRESS


def test_it_is_renewed_when_it_is_due_and_not_before(ordered: Manager) -> None:
    before = serial(ordered.served)
    say_that_it_is_due(ordered)
    # The same command as the timer's.
    ordered.certify()
    renewed = serial(ordered.served)
    assert renewed != before
    ordered.certify()
    assert serial(ordered.served) == renewed
    assert (ordered.files / STATE / "certificate/privkey.pem").stat().st_mode & 0o777 == 0o600
