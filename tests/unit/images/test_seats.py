from __future__ import annotations

from typing import Any

import pytest
from swarmhub_hub.seats import Seats, Swarm, accepts, count_seats

GB = 1024**3


def node(name: str, memory_gb: float = 4.5, **changes: Any) -> dict[str, Any]:
    return {
        "ID": name,
        "Spec": {"Role": "worker", "Availability": "active", "Labels": {"zone": "a"}},
        "Status": {"State": "ready"},
        "Description": {"Hostname": name, "Resources": {"MemoryBytes": int(memory_gb * GB)}},
        **changes,
    }


def task(service: str, on: str = "", memory_gb: float = 1, state: str = "running") -> dict[str, Any]:
    reservation = {"Resources": {"Reservations": {"MemoryBytes": int(memory_gb * GB)}}}
    return {"ServiceID": service, "NodeID": on, "Spec": reservation, "Status": {"State": state}}


def server(name: str) -> dict[str, Any]:
    return {"ID": f"id-{name}", "Spec": {"Name": name}}


def count(swarm: Swarm, **changes: Any) -> Seats:
    return count_seats(swarm, **{"memory_bytes": GB, "system_bytes": GB // 2, **changes})


def test_an_empty_swarm_has_the_seats_of_its_machines_less_the_systems_memory() -> None:
    assert count(Swarm(nodes=[node("one"), node("two")], tasks=[], servers=[])) == Seats(total=8, free=8)


def test_memory_left_over_on_two_machines_makes_no_seat() -> None:
    assert count(Swarm(nodes=[node("one", 2.2), node("two", 2.2)], tasks=[], servers=[])).total == 2


def test_servers_take_free_seats_and_others_take_both() -> None:
    tasks = [task("id-user-ada", "one"), task("id-hub", "one", 2), task("id-user-old", "one", state="failed")]
    swarm = Swarm(nodes=[node("one")], tasks=tasks, servers=[server("user-ada")])
    assert count(swarm) == Seats(total=2, free=1)


def test_only_those_ahead_without_a_machine_are_counted_again() -> None:
    tasks = [task("id-user-ada", "one"), task("id-user-bea", state="pending")]
    servers = [server("user-ada"), server("user-bea")]
    swarm = Swarm(nodes=[node("one")], tasks=tasks, servers=servers)
    assert count(swarm, ahead=["user-ada", "user-bea", "user-cy"]).free == 1


def test_a_generic_resource_makes_seats_scarce_and_is_held_by_servers() -> None:
    one, two = node("one"), node("two", 9)
    one["Description"]["Resources"]["GenericResources"] = [
        {"DiscreteResourceSpec": {"Kind": "GPU", "Value": 2}},
        {"DiscreteResourceSpec": {"Kind": "SSD", "Value": 9}},
    ]
    two["Description"]["Resources"]["GenericResources"] = [
        {"NamedResourceSpec": {"Kind": "GPU", "Value": "uuid-1"}},
        {"NamedResourceSpec": {"Kind": "GPU", "Value": "uuid-2"}},
        {"NamedResourceSpec": {"Kind": "GPU", "Value": "uuid-3"}},
    ]
    holding = task("id-user-ada", "two")
    holding["Spec"]["Resources"]["Reservations"]["GenericResources"] = [
        {"DiscreteResourceSpec": {"Kind": "GPU", "Value": 1}}
    ]
    swarm = Swarm(nodes=[one, two], tasks=[holding], servers=[server("user-ada")])
    assert count(swarm, resources={"GPU": 1}) == Seats(total=5, free=4)
    assert count(swarm, resources={"GPU": 2}) == Seats(total=2, free=2)
    assert count(swarm, resources={"GPU": 0}) == count(swarm) == Seats(total=12, free=11)
    assert count(swarm, resources={"FPGA": 1}).total == 0


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        ("node.role==worker", True),
        ("node.role == manager", False),
        ("node.role!=manager", True),
        ("node.labels.zone==a", True),
        ("node.labels.gpu==yes", False),
        ("node.hostname!=one", False),
        ("node.ip==10.0.0.0/8", True),
    ],
)
def test_accepts_as_swarm_does(constraint: str, met: bool) -> None:
    assert accepts(node("one"), [constraint]) is met


def test_accepts_nothing_on_a_machine_that_is_down_or_drained() -> None:
    assert not accepts(node("one", Status={"State": "down"}), [])
    assert not accepts(node("one", Spec={"Role": "worker", "Availability": "drain"}), [])
