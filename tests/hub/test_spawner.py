"""What the spawner asks of Docker, seen without one: the rest of it runs on a swarm, in tests/swarm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.hub.programs import Programs, environment_of

PRINT_SERVICE = Path(__file__).with_name("inside") / "print_service.py"
# The script's engine takes this long for a call.
SLOW_SECONDS = 0.3


def printed(programs: Programs, api_version: str) -> dict[str, Any]:
    done = subprocess.run(
        [programs.python, PRINT_SERVICE, api_version],
        env=environment_of(programs),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def told(programs: Programs) -> dict[str, Any]:
    return printed(programs, "1.44")


def test_no_process_gains_privileges_where_the_engine_can_forbid_it(
    told: dict[str, Any], programs: Programs
) -> None:
    def container(told: dict[str, Any]) -> dict[str, Any]:
        return dict(told["service"]["task_template"]["ContainerSpec"])

    assert container(told)["Privileges"] == {"NoNewPrivileges": True}
    assert container(told)["CapabilityDrop"] == ["ALL"]
    older = container(printed(programs, "1.43"))
    assert "Privileges" not in older
    assert older["CapabilityDrop"] == ["ALL"]


def test_what_an_organiser_adds_may_name_the_user(told: dict[str, Any]) -> None:
    service = told["service"]
    assert service["task_template"]["ContainerSpec"]["Dir"] == "/work/ada"
    assert service["labels"] == {"course": "physics", "of": "ada"}
    assert service["name"] == "user-ada-made"


def test_a_name_with_braces_is_no_template(told: dict[str, Any]) -> None:
    assert list(told["with_braces"]["labels"].values()) == ["{username}"]


def test_the_spawner_below_is_one_for_any_hub(told: dict[str, Any]) -> None:
    task = told["plain"]["task_template"]
    kinds = {each["Source"]: each["Type"] for each in task["ContainerSpec"]["Mounts"]}
    assert kinds == {"data-ada": "volume", "/srv/set": "bind"}
    assert task["Resources"]["Reservations"]["MemoryBytes"] == 1024**3
    assert task["RestartPolicy"]["Condition"] == "none"
    assert told["plain"].get("labels") is None


def test_docker_calls_do_not_wait_for_each_other(told: dict[str, Any]) -> None:
    assert told["calls_began_within"] < SLOW_SECONDS


def test_a_service_that_is_gone_is_removed(told: dict[str, Any]) -> None:
    assert told["object_id_after_removal"] == ""


def test_what_cannot_work_in_a_swarm_is_refused_in_words(told: dict[str, Any]) -> None:
    assert [each.partition(" is set")[0] for each in told["refusals"]] == ["post_start_cmd", "internal_ssl"]
