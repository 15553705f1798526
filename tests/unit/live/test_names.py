"""Waiting for names, with a name server of the test's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from live import names

ADDRESS = "192.0.2.1"
HUB = "hub.example.test"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The names that a server on loopback knows, which is asked whatever server is told."""
    there: dict[str, str] = {}
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            packet, client = listening.recvfrom(4096)
            if not packet:
                return
            query = dns.message.from_wire(packet)
            answer = dns.message.make_response(query)
            name = query.question[0].name
            found = there.get(name.to_text(omit_final_dot=True))
            if found:
                answer.answer.append(dns.rrset.from_text(name, 5, "IN", "A", found))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            listening.sendto(answer.to_wire(), client)

    thread = threading.Thread(target=serve)
    thread.start()

    class OnThatPort(dns.resolver.Resolver):
        def __init__(self, **options: bool) -> None:
            super().__init__(**options)  # type: ignore[arg-type]
            self.port = listening.getsockname()[1]

    monkeypatch.setattr(dns.resolver, "Resolver", OnThatPort)
    monkeypatch.setattr(names, "INTERVAL_SECONDS", 0.05)
    yield there
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b"", listening.getsockname())
    thread.join()
    listening.close()


def wait(*more: str) -> int:
    arguments = ("--name", HUB, "--address", ADDRESS, "--nameserver", "127.0.0.1", "--timeout-seconds", "0.2")
    return names.main([*arguments, *more])


def test_a_name_that_leads_there_is_waited_for_no_longer(
    known: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    known[HUB] = ADDRESS
    assert wait() == 0
    assert capsys.readouterr().out == f"name: {HUB} leads to {ADDRESS}\n"


def test_a_record_that_is_set_meanwhile_ends_the_wait(
    known: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    setting = threading.Timer(0.2, known.__setitem__, (HUB, ADDRESS))
    setting.start()
    assert wait("--timeout-seconds", "20") == 0
    setting.join()
    # First what to do, then that it was done.
    said = capsys.readouterr().out
    assert said.index(f"    {HUB}.  A  {ADDRESS}\n") < said.index(f"name: {HUB} leads to {ADDRESS}\n")


def test_the_record_to_set_is_printed(known: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    known[HUB] = "192.0.2.9"
    assert wait() == 1
    said = capsys.readouterr()
    assert f"    {HUB}.  A  {ADDRESS}\n" in said.out
    assert "it resolves to 192.0.2.9" in said.err


def test_with_subdomains_the_record_for_all_of_them_is_printed(
    known: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    known[HUB] = ADDRESS
    assert wait("--with-subdomains") == 1
    assert f"    *.{HUB}.  A  {ADDRESS}\n" in capsys.readouterr().out
    known[f"any-student.{HUB}"] = ADDRESS
    assert wait("--with-subdomains") == 0
