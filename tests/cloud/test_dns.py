"""The hub's name in a zone of the cloud's DNS service: Designate and the name server that it writes to.

Each `up` ends with a probe that finds the hub by that name; in the first the ACME server has found it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection

from live.names import resolve
from rehearsal.inside import DNS_ZONE
from rehearsal.network import HOST_ADDRESS
from scripts.stack import ChangeFailed
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.inventory import list_project
from tests.support.certificates import Authority

DOMAIN = f"spring.{DNS_ZONE}"


class NamedCourse(Course):
    """One whose name changes."""

    subject = "dns"

    def __init__(self, given: Surroundings, zone: Any) -> None:
        super().__init__(given)
        self._zone = zone
        self.configure({})

    def configure(self, hub: dict[str, Any], tls: dict[str, Any] | None = None) -> None:
        def change(config: dict[str, Any]) -> None:
            config["swarmhub:hub"] |= {"domain": DOMAIN, "dns_zone": DNS_ZONE, **hub}
            config["swarmhub:tls"] = tls or config["swarmhub:tls"]

        self.take(change)

    @property
    def records(self) -> dict[str, list[str]]:
        """The addresses in the zone, as the DNS service has them."""
        listed = self.connection.dns.recordsets(self._zone.id)
        return {each.name: each.records for each in listed if each.type == "A" and each.status == "ACTIVE"}


@pytest.fixture(scope="module")
def zone(connection: Connection) -> Iterator[Any]:
    """A zone that the project has before there is a stack."""
    dns = connection.dns
    for left_over in dns.zones():
        dns.delete_zone(left_over)
        dns.wait_for_delete(left_over)
    made = dns.create_zone(name=f"{DNS_ZONE}.", email="ada@example.org", type="PRIMARY")
    yield dns.wait_for_status(made, status="ACTIVE", failures=["ERROR"])
    dns.delete_zone(made)


@pytest.fixture(scope="module")
def course(surroundings: Surroundings, zone: Any) -> Iterator[NamedCourse]:
    with ending(NamedCourse(surroundings, zone)) as course:
        yield course


@pytest.fixture(scope="module")
def address(course: NamedCourse) -> str:
    """Up with the name and a certificate for it; the hub's address."""
    course.configure({})
    course.change("up", "up")
    return str(course.stack.outputs()["address"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A certificate for the name and all below it, by a CA of the operator's, as ``tls`` names it."""
    authority = Authority.make(tmp_path_factory.mktemp("certificate"))
    certificate, key = authority.issue(DOMAIN)
    return {
        "issuer": "files",
        "certificate_file": str(certificate),
        "key_file": str(key),
        "trusted_ca_file": str(authority.certificate),
    }


def test_a_zone_that_the_project_has_not_is_refused(course: NamedCourse) -> None:
    missing = DNS_ZONE.replace("zones", "zonse")
    course.configure({"domain": f"spring.{missing}", "dns_zone": missing})
    with pytest.raises(ChangeFailed) as failure:
        course.stack.change("up")
    (said,) = failure.value.errors
    assert f"hub.dns_zone: the cloud has no DNS zone '{missing}'" in said
    assert f"Did you mean {DNS_ZONE}?" in said
    assert course.stack.count_resources() == 0


def test_up_makes_the_record(course: NamedCourse, address: str) -> None:
    assert course.records == {f"{DOMAIN}.": [address]}
    assert course.stack.outputs()["url"] == f"https://{DOMAIN}"
    assert resolve(DOMAIN, HOST_ADDRESS) == {address}


def test_nothing_changes_without_a_change(course: NamedCourse, address: str) -> None:
    course.expect_no_changes()


def test_with_subdomains_every_name_below_leads_there_too(
    course: NamedCourse, address: str, certificate: dict[str, Any]
) -> None:
    course.configure({"subdomains": True}, certificate)
    course.change("up", "up with subdomains")
    assert course.records == {f"{DOMAIN}.": [address], f"*.{DOMAIN}.": [address]}
    assert resolve(f"grace.{DOMAIN}", HOST_ADDRESS) == {address}


def test_destroy_takes_the_records_and_leaves_the_zone(
    course: NamedCourse, address: str, connection: Connection, zone: Any
) -> None:
    course.change("destroy", "destroy")
    assert course.records == {}
    # The name server is still being told of it.
    connection.dns.wait_for_status(zone, status="ACTIVE", failures=["ERROR"])
    assert list_project(connection) == []
