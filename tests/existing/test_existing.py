"""A stack on machines that are there already: `pulumi up` to a first cell, and all gone again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from swarmhub_hub.seats import Swarm, count_seats

from live.deployment import Manager
from rehearsal.host import CommandFailed
from rehearsal.native_swarm import Node
from scripts.stack import ChangeFailed, Stack
from swarmhub.checking import Check, judge
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, MOUNT_POINT
from swarmhub.sizing import SYSTEM_MARGIN_MB, UNSEEN_SHARE
from swarmhub.text import script
from tests.existing.conftest import DOMAIN, Lab
from tests.existing.looking import take_inventory

MEBI, GIBI = 2**20, 2**30
STATE = "/var/lib/swarmhub/state"


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Stack]:
    """The stack with one worker; `up` has tried a login, a server and a cell by then."""
    made = lab.with_workers(1)
    try:
        made.change("up")
        yield made
    finally:
        if made.count_resources():
            made.change("destroy")


def curl(lab: Lab, path: str) -> str:
    manager = lab.machines[0].address
    command = [
        "curl",
        "--silent",
        "--fail",
        "--max-time",
        "20",
        "--noproxy",
        "*",
        "--cacert",
        str(lab.issuer_root),
    ]
    command += ["--resolve", f"{DOMAIN}:443:{manager}", f"https://{DOMAIN}{path}"]
    return str(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def nodes(lab: Lab) -> list[str]:
    listed = lab.machines[0].run("docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    return sorted(listed.splitlines())


def reaches(machine: Node, address: str, port: int) -> bool:
    try:
        machine.run("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}")
    except Exception:
        return False
    return True


def test_up_ends_with_a_hub_that_answers_under_its_name(lab: Lab, stack: Stack) -> None:
    outputs = stack.outputs()
    assert outputs["url"] == f"https://{DOMAIN}"
    assert "version" in json.loads(curl(lab, "/hub/api/"))
    assert nodes(lab) == ["machine-1 Ready", "machine-2 Ready"]


def test_as_many_seats_are_told_as_the_hub_will_count(lab: Lab, stack: Stack) -> None:
    manager = lab.machines[0]
    nodes = json.loads(manager.run("sh", "-c", "docker node inspect $(docker node ls --quiet)"))
    counted = count_seats(
        Swarm(nodes=nodes, tasks=[], servers=[]),
        memory_bytes=GIBI // 2,
        system_bytes=SYSTEM_MARGIN_MB * MEBI,
        constraints=["node.role==worker"],
    )
    told = stack.outputs()["seats"]
    assert told > 1
    # Before a machine is there, a share of its memory is taken for the kernel's.
    assert 0 <= counted.total - told <= UNSEEN_SHARE * counted.total + 1


def test_the_hub_knows_who_asks(lab: Lab, stack: Stack) -> None:
    curl(lab, "/hub/login")
    # The hub writes its log to standard error.
    log = lab.machines[0].run("sh", "-c", "docker service logs --raw --tail 50 hub 2>&1")
    assert re.search(rf"GET /hub/login \(@{re.escape(lab.host_address)}\)", log)


def look(stack: Stack) -> dict[str, Check]:
    """What `swarmhub check` finds on the manager, by what is looked at."""
    manager = Manager.read(stack.outputs()["manager"])
    command = ["bash", "-s", "--", FRONT_DOOR_STATE_DIRECTORY, MOUNT_POINT]
    found = judge(json.loads(manager.run(command, input_text=script("check.sh"))))
    return {each.what: each for each in found}


def test_a_renewal_that_fails_is_seen_and_one_that_works_mends_it(lab: Lab, stack: Stack) -> None:
    manager = lab.machines[0]
    assert [str(each) for each in look(stack).values() if not each.passed] == []
    settings = "/etc/swarmhub/front-door/certificate.env"
    manager.run("sed", "-i.kept", "s|^DIRECTORY_URL=.*|DIRECTORY_URL=https://127.0.0.1:9/dir|", settings)
    try:
        with pytest.raises(CommandFailed):
            manager.run("systemctl", "start", "swarmhub-certificate.service")
        failed = look(stack)["renewal"]
        assert not failed.passed
        assert failed.found.startswith("the last one ended with exit-code (")
        assert "journalctl --unit swarmhub-certificate" in failed.remedy
    finally:
        manager.run("mv", f"{settings}.kept", settings)
    manager.run("systemctl", "start", "swarmhub-certificate.service")
    assert look(stack)["renewal"].found == "the last look succeeded"


def containers(manager: Node) -> dict[str, str]:
    """The containers of hub, proxy and nginx, by what they are of."""
    form = "{{.Names}} {{.ID}}"
    listed = (line.split() for line in manager.run("docker", "ps", "--format", form).splitlines())
    return {name.partition(".")[0]: identity for name, identity in listed}


def test_a_changed_value_rolls_the_hub_alone(lab: Lab, stack: Stack) -> None:
    manager = lab.machines[0]
    before = containers(manager)
    assert before.keys() >= {"hub", "proxy", "front-door"}
    lab.with_workers(1, hub__announcement="Coffee at ten").change("up")
    after = containers(manager)
    assert {name for name in after if before[name] != after[name]} == {"hub"}
    assert "Coffee at ten" in curl(lab, "/hub/login")
    lab.with_workers(1).change("up")


def test_proxy_and_mirror_reach_docker_and_what_it_starts(lab: Lab, stack: Stack) -> None:
    gate = f"http://{lab.host_address}"
    for machine in lab.machines[:2]:
        info = json.loads(machine.run("docker", "info", "--format", "{{json .}}"))
        assert info["RegistryConfig"]["Mirrors"] == [f"{gate}:5000/"]
        assert info["HttpProxy"] == info["HttpsProxy"] == f"{gate}:3128"
        assert "10.80.0.0/20" in info["NoProxy"]
    started = lab.machines[0].run("docker", "run", "--rm", "--entrypoint", "env", "swarmhub/acme:dev")
    assert f"HTTPS_PROXY={gate}:3128" in started.splitlines()


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    stack.change("up", "--expect-no-changes")


def test_only_the_stacks_machines_reach_the_swarm(lab: Lab, stack: Stack) -> None:
    manager, worker, stranger = lab.machines
    assert reaches(worker, manager.address, 2377)
    assert not reaches(stranger, manager.address, 2377)
    assert not reaches(stranger, worker.address, 7946)
    assert reaches(stranger, manager.address, 443)


def test_the_swarm_has_no_routing_mesh(lab: Lab, stack: Stack) -> None:
    manager, worker = (
        machine.run("docker", "network", "ls", "--filter", "driver=overlay", "--format", "{{.Name}}").split()
        for machine in lab.machines[:2]
    )
    assert manager == ["hub"]
    # Docker lists an overlay on a worker only while a container there is attached to it, but the mesh always.
    assert set(worker) <= {"hub"}


def test_a_machine_comes_and_goes_and_no_other_notices(lab: Lab, stack: Stack) -> None:
    manager, _, other = lab.machines
    hub = manager.run("docker", "ps", "--quiet", "--filter", "name=hub").split()
    lab.with_workers(2).change("up")
    assert nodes(lab) == ["machine-1 Ready", "machine-2 Ready", "machine-3 Ready"]
    # Named and placed as a student's server that has come to be there.
    there = [
        "--name=user-ada",
        f"--constraint=node.hostname=={other.name}",
        "swarmhub/user:dev",
        "sleep",
        "600",
    ]
    manager.run("docker", "service", "create", "--quiet", *there)
    lab.with_workers(1).change("up")
    manager.run("docker", "service", "rm", "user-ada")
    assert f"swarm: {other.name} leaves. These servers end" in lab.stack.log("up").read_text()
    assert nodes(lab) == ["machine-1 Ready", "machine-2 Ready"]
    assert lab.before[2].differences(take_inventory(other)) == []
    assert manager.run("docker", "ps", "--quiet", "--filter", "name=hub").split() == hub


def test_a_machine_of_another_stack_is_refused(lab: Lab, stack: Stack) -> None:
    other = lab.stack_named("another")
    with pytest.raises(ChangeFailed) as refused:
        other.change("up")
    assert "is part of the stack swarmhub-on-machines already" in str(refused.value)
    other.remove()


def test_destroy_leaves_the_machines_as_they_were(lab: Lab, stack: Stack) -> None:
    stack.change("destroy")
    assert stack.count_resources() == 0
    for machine, before in zip(lab.machines, lab.before, strict=True):
        assert "\n".join(before.differences(take_inventory(machine))) == "", machine.name


def test_what_is_kept_is_taken_up_again(lab: Lab, stack: Stack) -> None:
    manager = lab.machines[0]
    # The key stays in ssh-agent this time.
    keeping = {"storage": {"kind": "none", "keep_after_destroy": True}, "with_agent": True}
    lab.with_workers(1, **keeping).change("up")
    assert "PRIVATE KEY" not in json.dumps(stack.pulumi.export())
    kept = ("sha256sum", f"{STATE}/front-door/certificate/fullchain.pem")
    database = manager.run("stat", "--format=%i", f"{STATE}/hub/jupyterhub.sqlite")
    certificate = manager.run(*kept)
    lab.with_workers(1, **keeping).change("destroy")
    left = lab.before[0].differences(take_inventory(manager))
    assert left
    assert [line for line in left if "  /var/lib/swarmhub/state" not in line] == []
    with pytest.raises(ChangeFailed, match="keeps the hub's state of the stack swarmhub-on-machines"):
        lab.stack_named("another").change("up")
    lab.with_workers(1).change("up")
    assert manager.run("stat", "--format=%i", f"{STATE}/hub/jupyterhub.sqlite") == database
    # None was ordered: issuers give few for the same name.
    assert manager.run(*kept) == certificate
    stack.change("destroy")
    assert lab.before[0].differences(take_inventory(manager)) == []
