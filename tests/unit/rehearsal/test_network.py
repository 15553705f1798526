from __future__ import annotations

import pytest

from rehearsal.network import name_of, overlapping_route

FREE = """\
default via 192.0.2.1 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
172.24.4.0/24 dev swarmhub-h proto kernel scope link src 172.24.4.1
local 172.24.4.1 dev swarmhub-h table local proto kernel scope host src 172.24.4.1
"""


def test_own_and_foreign_routes_leave_the_range_free() -> None:
    assert overlapping_route(FREE) is None


@pytest.mark.parametrize(
    "route",
    [
        "172.24.4.0/24 dev br-1 proto kernel scope link src 172.24.4.1",
        "172.24.0.0/16 via 10.0.0.1 dev tun0",
        "local 172.24.4.9 dev eth1 table local proto kernel scope host src 172.24.4.9",
    ],
)
def test_a_route_into_the_range_is_found(route: str) -> None:
    assert overlapping_route(FREE + route + "\n") == route


def test_a_floating_address_has_a_name() -> None:
    assert name_of("172.24.4.57") == "hub-172-24-4-57.rehearsal.test"
