"""One student's server: it starts, stops, ends by itself, or cannot be, and the student is told."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import aiohttp
import pytest

from rehearsal.docker_api import DockerApi
from rehearsal.host import CommandFailed
from rehearsal.native_swarm import CGROUP, CGROUPS, OVERLAY, Swarm
from tests.support.native_hub import USER_IMAGE, NativeHub, wait_until
from tests.swarm.conftest import MakeStudent

# Far below the start's timeout, 60 s here.
TOLD_WITHIN_SECONDS = 20
NOTICED_WITHIN_SECONDS = 45
# Swarm gives up a machine after three heartbeats of 5 s that did not come.
LOST_WITHIN_SECONDS = 75
MAKE_COURSE = """set -e
git init --quiet --initial-branch main /tmp/course
cd /tmp/course
echo Hello >first.txt
git add first.txt
git -c user.name=ada -c user.email=ada@example.org commit --quiet --message First
"""
ENDED = re.compile(r"Your last server ended at \d\d:\d\d UTC\. [^<]+")
MANY_THREADS = """
import threading, time
threading.stack_size(64 << 10)
for number in range(2100):
    threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
"""


def find_containers(swarm: Swarm, service: str) -> list[tuple[DockerApi, str, str]]:
    """The daemon, the node's name and the id of each running container of a user's server."""
    label = f"com.docker.swarm.service.name={service}"
    return [
        (node.docker, node.name, found["Id"])
        for node in swarm.nodes
        for found in node.docker.get("/containers/json", filters={"label": [label]})
    ]


def find_container(swarm: Swarm, service: str) -> tuple[DockerApi, str, str]:
    """The same of one of them."""
    found = find_containers(swarm, service)
    assert found, f"no container of {service}"
    return found[0]


def run_inside(swarm: Swarm, service: str, *command: str) -> str:
    """Run a command in a user's container and return its output."""
    _, name, container = find_container(swarm, service)
    node = next(node for node in swarm.nodes if node.name == name)
    return node.run("docker", "exec", container, *command)


def memory_bytes(swarm: Swarm, service: str) -> int:
    """What a user's server uses now, as Docker counts it: without files that are only cached."""
    daemon, _, container = find_container(swarm, service)
    memory = daemon.get(f"/containers/{container}/stats", stream="0")["memory_stats"]
    return int(memory["usage"] - memory["stats"]["total_inactive_file"])


def test_jupyterlab_with_a_kernel_fits_into_half_a_gigabyte(
    hub: NativeHub, student: MakeStudent, swarm: Swarm
) -> None:
    someone = student("jupyter-one")
    seconds = someone.start()
    someone.open_lab()
    assert someone.run_cell("import ssl, asyncio\nprint(6 * 7)") == "42\n"
    used = memory_bytes(swarm, "user-jupyter-2done")
    print(f"JupyterLab {seconds:.1f} s after the login; with one kernel {used >> 20} MB")
    assert used < 384 << 20
    someone.stop()
    assert hub.servers() == []


def test_a_link_brings_a_course_into_the_home_and_the_memory_in_use_is_told(
    student: MakeStudent, swarm: Swarm
) -> None:
    someone = student("jupyter-two")
    someone.start()
    service = "user-jupyter-2dtwo"
    run_inside(swarm, service, "sh", "-c", MAKE_COURSE)
    link = {"repo": "file:///tmp/course", "branch": "main", "targetpath": "lessons"}
    assert '"phase": "finished"' in someone.open("git-pull/api", **link)
    assert json.loads(someone.open("api/contents/lessons/first.txt"))["content"] == "Hello\n"
    told = json.loads(someone.open("api/metrics/v1"))
    assert 0 < told["rss"] < told["limits"]["memory"]["rss"] == 512 << 20
    someone.stop()


def test_a_server_started_again_is_the_one_that_answers(student: MakeStudent, swarm: Swarm) -> None:
    someone = student("again")
    answers = []
    for _ in range(3):
        someone.start()
        # The old one's address was once given out for minutes (dockerspawner#279).
        answers.append(someone.read())
        assert find_container(swarm, "user-again")[2].startswith(answers[-1][1])
        someone.stop()
    assert [status for status, _ in answers] == [200, 200, 200]
    assert len({text for _, text in answers}) == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unpullable-1", r"rejected: No such image: swarmhub/missing:dev\."),
        ("exits-1", r"failed: task: non-zero exit \(3\)\."),
        ("outgrows-1", r"It was killed, most often for using more memory than its limit\."),
        ("nowhere-1", r"No machine can run this server"),
        (
            "unmounted-1",
            r"That has taken 5 s: most likely its machine fails to mount the home from 10\.0\.0\.1\.",
        ),
        ("unplaceable-1", r"pending: no suitable node \(insufficient resources on 2 nodes\)\."),
    ],
)
def test_a_server_that_cannot_start_says_why(
    name: str, reason: str, hub: NativeHub, student: MakeStudent
) -> None:
    someone = student(name)
    for _ in range(2):
        told, seconds = someone.start_fails()
        assert re.search(reason, told)
        assert seconds < TOLD_WITHIN_SECONDS
        assert hub.servers() == []


def test_a_server_killed_while_it_runs_can_be_started_again(
    hub: NativeHub, student: MakeStudent, swarm: Swarm
) -> None:
    someone = student("killed")
    someone.start()
    daemon, _, container = find_container(swarm, "user-killed")
    daemon.post(f"/containers/{container}/kill", signal="KILL")
    # The hub asks on its own every 30 s, and at once when somebody comes to a server that does not answer.
    wait_until("end noticed", lambda: not someone.running(), timeout_seconds=NOTICED_WITHIN_SECONDS)
    assert hub.servers() == []
    assert ENDED.search(someone.home_page())
    someone.start()
    assert someone.read()[0] == 200
    someone.stop()
    assert not ENDED.search(someone.home_page())


def test_a_server_that_outgrows_its_memory_tells_its_user_why_it_ended(
    hub: NativeHub, student: MakeStudent
) -> None:
    someone, another = student("swells"), student("bystander")
    someone.start()
    with suppress(aiohttp.ClientError):
        someone.read("swell")
    wait_until("end noticed", lambda: not someone.running(), timeout_seconds=NOTICED_WITHIN_SECONDS)
    told = ENDED.search(someone.home_page())
    assert told
    assert "killed, most often for using more memory than its limit" in told[0]
    assert not ENDED.search(another.home_page())
    # The next hub knows it still.
    hub.update()
    assert ENDED.search(someone.home_page())


def test_who_had_a_server_on_a_machine_that_is_taken_out_reads_so(student: MakeStudent, swarm: Swarm) -> None:
    someone = student("drained")
    someone.start()
    _, machine, _ = find_container(swarm, "user-drained")
    assert machine == "node-2"
    swarm.manager.run("docker", "node", "update", "--availability", "drain", machine)
    try:
        wait_until("end noticed", lambda: not someone.running(), timeout_seconds=NOTICED_WITHIN_SECONDS)
        told = ENDED.search(someone.home_page())
        assert told
        assert "The organisers have taken its machine out." in told[0]
    finally:
        swarm.manager.run("docker", "node", "update", "--availability", "active", machine)
    someone.start()
    assert someone.read()[0] == 200


def test_a_lost_machine_is_noticed_and_named(student: MakeStudent, swarm: Swarm) -> None:
    someone = student("lost")
    someone.start()
    node = swarm.nodes[1]
    node.run("sh", "-c", "kill -STOP $(pidof dockerd)")
    try:
        wait_until("end noticed", lambda: not someone.running(), timeout_seconds=LOST_WITHIN_SECONDS)
        told = ENDED.search(someone.home_page())
        assert told
        assert "its machine may be down" in told[0]
        assert "No machine can run this server" in someone.start_fails()[0]
    finally:
        node.run("sh", "-c", "kill -CONT $(pidof dockerd)")
        wait_until("node's return", lambda: ready_nodes(swarm) == len(swarm.nodes))


def ready_nodes(swarm: Swarm) -> int:
    """How many machines the manager sees."""
    return sum(node["Status"]["State"] == "ready" for node in swarm.docker.get("/nodes"))


def test_a_service_removed_behind_the_hubs_back_is_no_error(
    hub: NativeHub, student: MakeStudent, swarm: Swarm
) -> None:
    someone = student("removed")
    someone.start()
    swarm.docker.delete("/services/user-removed")
    someone.stop()
    someone.start()
    assert someone.read()[0] == 200


def test_a_home_is_made_anew_when_no_machine_has_the_last_one_any_more(
    hub: NativeHub, student: MakeStudent, swarm: Swarm
) -> None:
    # The small server takes no notice of being told to end: Docker kills it after 10 s.
    someone = student("homed")
    someone.start()
    first = find_container(swarm, "user-homed")
    someone.leave()
    # Only spawners that are about to start get to know of homes here.
    (hub.state / "homes" / "homed").rmdir()
    assert find_container(swarm, "user-homed") == first
    someone.start()
    assert first not in find_containers(swarm, "user-homed")


def test_the_limits_hold_inside(student: MakeStudent, swarm: Swarm) -> None:
    student("limited").start()
    status = run_inside(swarm, "user-limited", "cat", "/proc/self/status")
    assert set(re.findall(r"^Cap(?:Prm|Eff|Bnd):\s*(\w+)", status, re.MULTILINE)) == {"0" * 16}
    _, node, container = find_container(swarm, "user-limited")

    def limit(controller: str, file: str) -> int:
        return int((CGROUPS / controller / CGROUP / node / container / file).read_text())

    assert limit("memory", "memory.limit_in_bytes") == 512 << 20
    assert limit("pids", "pids.max") == 2000
    assert limit("cpu", "cpu.cfs_quota_us") == limit("cpu", "cpu.cfs_period_us")
    [task] = swarm.docker.get("/tasks", filters={"name": ["user-limited."]})
    assert task["Spec"]["Resources"]["Reservations"]["MemoryBytes"] == 512 << 20
    assert task["Spec"]["RestartPolicy"]["Condition"] == "none"
    with pytest.raises(CommandFailed, match="can't start new thread"):
        run_inside(swarm, "user-limited", "python3", "-c", MANY_THREADS)


def test_servers_are_spread_over_the_nodes(student: MakeStudent, swarm: Swarm) -> None:
    names = [f"spread{number}" for number in range(4)]
    for name in names:
        student(name).start()
    nodes = [find_container(swarm, f"user-{name}")[1] for name in names]
    # Swarm counts tasks that are just ending too, so not always two and two.
    assert set(nodes) == {"node-1", "node-2"}


def test_volumes_are_volumes_and_binds_binds_by_user(student: MakeStudent, swarm: Swarm) -> None:
    student("mounted").start()
    service = swarm.docker.get("/services/user-mounted")
    mounts = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Mounts"]
    assert [
        (mount["Type"], mount["Source"], mount["Target"], mount.get("ReadOnly", False)) for mount in mounts
    ] == [
        ("volume", "scratch-mounted", "/scratch", False),
        ("bind", "/etc/ssl", "/shared", True),
    ]
    run_inside(swarm, "user-mounted", "ls", "/scratch", "/shared/certs")


def test_a_server_has_a_gpu_for_itself_and_without_one_left_the_hub_is_full(
    hub: NativeHub, student: MakeStudent, swarm: Swarm
) -> None:
    settings = hub.settings()
    settings["user_server"]["gpus"] = 1
    hub.update(settings)
    # As components/hub.py has one on every worker.
    anchor = {
        "Name": "anchor",
        "Mode": {"Global": {}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": USER_IMAGE, "Command": ["sleep", "infinity"]},
            "Networks": [{"Target": OVERLAY}],
        },
        "EndpointSpec": {"Mode": "dnsrr"},
    }
    swarm.docker.post("/services/create", anchor)
    wait_until("anchors", lambda: running_tasks(swarm, "anchor") == len(swarm.nodes))
    crowd = [student(f"gpu{number}") for number in range(2)]
    late = student("gpuless")
    try:
        for each in crowd:
            each.start()
        assert "DOCKER_RESOURCE_GPU=" in run_inside(swarm, "user-gpu0", "env")
        assert {find_container(swarm, f"user-{each.name}")[1] for each in crowd} == {"node-1", "node-2"}
        told, seconds = late.start_fails()
        assert "The hub is full: 2 seats, and all of them are taken." in told
        assert seconds < TOLD_WITHIN_SECONDS
        crowd[0].stop()
        late.start()
    finally:
        for each in [*crowd, late]:
            if each.running():
                each.stop()
        swarm.docker.delete("/services/anchor")
        hub.update()


def running_tasks(swarm: Swarm, service: str) -> int:
    """How many containers of a service run."""
    tasks = swarm.docker.get("/tasks", filters={"name": [f"{service}."]})
    return sum(task["Status"]["State"] == "running" for task in tasks)


def test_a_full_hub_says_so_at_once(hub: NativeHub, student: MakeStudent, swarm: Swarm) -> None:
    memory = min(node["Description"]["Resources"]["MemoryBytes"] for node in swarm.docker.get("/nodes"))
    hub.update(hub.settings(memory_gb=round((memory / 1024**3 - 0.5) / 2 - 0.1, 2)))
    try:
        crowd = [student(f"seat{number}") for number in range(4)]
        for each in crowd:
            each.start()
        late = student("late")
        told, seconds = late.start_fails()
        assert "The hub is full: 4 seats, and all of them are taken." in told
        assert seconds < TOLD_WITHIN_SECONDS
        crowd[0].stop()
        late.start()
    finally:
        for each in [*crowd, late]:
            if each.running():
                each.stop()
        hub.update()
