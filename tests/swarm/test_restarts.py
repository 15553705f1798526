"""The hub, its proxy and its database come and go; the servers stay, and nothing stays for ever."""

from __future__ import annotations

import time

from swarmhub.text import HUB_SERVICE, PROXY_SERVICE
from tests.support.native_hub import NativeHub, wait_until
from tests.swarm.conftest import MakeStudent

ROUTES_BACK_WITHIN_SECONDS = 10.0


def test_servers_are_reachable_while_the_hub_is_down_and_known_to_the_next(
    hub: NativeHub, student: MakeStudent
) -> None:
    someone = student("stays")
    someone.start()
    before = someone.read()
    old = hub.container(HUB_SERVICE)
    hub.kill(HUB_SERVICE)
    answers = set()
    while hub.container(HUB_SERVICE) in ("", old):
        answers.add(someone.read())
        time.sleep(0.1)
    hub.await_ready()
    assert answers == {before}
    assert someone.running()
    assert someone.read() == before
    someone.stop()
    assert hub.servers() == []


def test_a_changed_setting_rolls_the_hub_alone(hub: NativeHub, student: MakeStudent) -> None:
    someone, another = student("rolls"), student("rolled")
    someone.start()
    before = someone.read()
    proxy = hub.container(PROXY_SERVICE)
    hub.update(hub.settings(cpus=0.5))
    assert someone.running()
    assert someone.read() == before
    assert hub.container(PROXY_SERVICE) == proxy
    another.start()
    hub.update()


def test_routes_are_back_soon_after_the_proxy_has_restarted(hub: NativeHub, student: MakeStudent) -> None:
    someone = student("routed")
    someone.start()
    old = hub.container(PROXY_SERVICE)
    hub.kill(PROXY_SERVICE)
    wait_until("new proxy", lambda: hub.container(PROXY_SERVICE) not in ("", old))
    seconds = wait_until("route", lambda: someone.answers(), log=hub.log)
    print(f"routes back {seconds:.1f} s after the proxy")
    assert seconds < ROUTES_BACK_WITHIN_SECONDS


def test_a_hub_that_lost_its_database_removes_the_servers_nobody_can_reach(
    hub: NativeHub, student: MakeStudent
) -> None:
    someone = student("orphan")
    someone.start()
    assert hub.servers() == ["user-orphan"]
    (hub.state / "jupyterhub.sqlite").unlink()
    hub.update()
    wait_until("orphan's end", lambda: hub.servers() == [])
    assert "Removed users' services that the hub does not know: user-orphan" in hub.log()
    someone.start()
    assert someone.read()[0] == 200


def test_a_service_left_over_from_a_start_is_replaced(hub: NativeHub, student: MakeStudent) -> None:
    someone = student("cut")
    someone.start()
    someone.stop()
    spec = {
        "Name": "user-cut",
        "Labels": {"org.swarmhub.user": "cut"},
        "TaskTemplate": {"ContainerSpec": {"Image": "swarmhub/user:dev", "Command": ["sleep", "1000"]}},
    }
    hub.swarm.docker.post("/services/create", spec)
    someone.start()
    assert someone.read()[0] == 200
