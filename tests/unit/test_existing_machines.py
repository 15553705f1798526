"""Machines that are there already: what the stack file must say, and what is registered for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.remote_host import OperatorKey
from components.workshop import Workshop
from swarmhub.errors import UserError
from swarmhub.plan import hosts_request
from swarmhub.settings import read_settings
from swarmhub.text import existing_machine_files, members_files
from tests.support.recording import Graph, Recording, Resource
from tests.support.stacks import HOST_KEY, host_config, host_plan

KEY = OperatorKey(public="ssh-ed25519 AAAA operator", private="private key", private_file="/keys/id_ed25519")
STORAGE_HOST = {"address": "10.20.0.6", "host_key": HOST_KEY}


def word(name: str, _inputs: Any) -> dict[str, Any]:
    return {"stdout": f"word-of-{name}", "stderr": ""}


def token(name: str, _inputs: Any) -> dict[str, Any]:
    said = {"swarm-manager": "SWMTKN-1-token\n", "swarm-worker-2": "id-in-the-swarm\n"}
    return {"stdout": said.get(name, ""), "stderr": ""}


@pytest.fixture(autouse=True)
def _directory_ca(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / ".rehearsal").mkdir()
    (tmp_path / ".rehearsal/directory-ca.pem").write_text("directory CA\n")
    monkeypatch.setattr("components.front_door.PROJECT_DIRECTORY", tmp_path)


def workshop(workers: int = 2, key: OperatorKey = KEY, known: Any = None, **changes: Any) -> Graph:
    plan = host_plan(workers, known, **changes)

    def program() -> None:
        Workshop("workshop", plan, key)

    outputs = {"command:local:Command": word, "command:remote:Command": token}
    return Recording(outputs=outputs).run(program)


def document(resource: Resource) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(resource.inputs["stdin"])
    return loaded


def by_name(graph: Graph) -> dict[str, Resource]:
    return {each.name: each for each in graph}


def changed_inputs(before: Graph, after: Graph) -> set[str]:
    old, new = by_name(before), by_name(after)
    return {name for name in old if name in new and old[name].inputs != new[name].inputs}


def refusal(**changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_settings(host_config(**changes))
    return str(caught.value)


def test_nothing_is_asked_of_a_cloud() -> None:
    graph = workshop()
    assert [each.name for each in graph if "openstack" in each.type] == []
    assert len(graph.by_type("command:remote:Command")) > 10


def test_what_is_in_a_machine_is_gone_when_it_was_cleaned_up() -> None:
    graph = workshop()
    ends = {name for name in by_name(graph) if "-prepared-" in name}
    assert ends == {
        "manager-prepared-10.20.0.5",
        "worker-1-prepared-10.20.0.11",
        "worker-2-prepared-10.20.0.12",
    }
    for each in graph:
        inside = each.type.startswith("docker:") or each.type == "command:remote:Command"
        if not inside or each.name in ends or each.name.endswith("-ready"):
            continue
        assert each.deleted_with.rpartition("::")[2] in ends, each.name
        assert any(graph.awaits(each, graph.named(end)) for end in ends), each.name


def test_every_machine_is_cleaned_up_as_configured() -> None:
    for keep, word in ((True, "keep"), (False, "erase")):
        graph = workshop(storage__keep_after_destroy=keep)
        for name, each in by_name(graph).items():
            if "-prepared-" in name:
                removal = document(each)["removal"]
                assert (removal["name"], removal["arguments"]) == ("restore-machine.sh", [word, "/var/nfs"])
                assert each.inputs["delete"]


def test_ports_are_closed_before_anything_listens() -> None:
    graph = workshop(machines__hosts__storage=STORAGE_HOST)
    for machine, first in (("manager", "swarm-manager"), ("worker-1", "swarm-worker-1")):
        assert graph.awaits(graph.named(first), graph.named(f"{machine}-members"))
    assert graph.awaits(graph.named("homes-exports"), graph.named("storage-members"))


def test_only_the_stacks_machines_are_let_in() -> None:
    rules = members_files(host_plan(machines__hosts__storage=STORAGE_HOST))[0].content
    assert "ip saddr { 10.20.0.5, 10.20.0.6, 10.20.0.11, 10.20.0.12 } accept" in rules


def test_connections_verify_the_keys_that_the_machines_have() -> None:
    graph = workshop()
    for each in graph.by_type("command:remote:Command"):
        connection = each.inputs["connection"]
        assert connection["hostKey"] == HOST_KEY
        assert connection["user"] == "ops"
    assert graph.named("manager-ready").inputs["connection"]["host"] == "192.0.2.10"
    proxy = graph.named("worker-1-ready").inputs["connection"]["proxy"]
    assert (proxy["host"], proxy["hostKey"]) == ("192.0.2.10", HOST_KEY)


def test_machines_may_be_reached_without_the_manager() -> None:
    graph = workshop(site__through_manager=False)
    assert "proxy" not in graph.named("worker-1-ready").inputs["connection"]
    assert {each.through for each in hosts_request(read_settings(host_config()), "dev").hosts} == {
        None,
        "machines.hosts.manager",
    }


def test_a_key_that_the_agent_holds_is_in_no_input() -> None:
    agent = OperatorKey(public=KEY.public, private=None, private_file="/keys/id_ed25519.pub")
    for each in workshop(key=agent).by_type("command:remote:Command"):
        assert "privateKey" not in each.inputs["connection"]


def test_the_swarm_knows_machines_by_their_own_names() -> None:
    member = document(workshop().named("swarm-worker-2-member"))
    assert member["arguments"] == ["bench-2", "id-in-the-swarm"]
    assert member["removal"]["arguments"] == ["bench-2"]


def test_a_third_machine_is_let_in_by_the_others_and_changes_nothing_else() -> None:
    before, after = workshop(2), workshop(3)
    added = set(by_name(after)) - set(by_name(before))
    assert added
    assert all("worker-3" in name for name in added)
    assert changed_inputs(before, after) == {
        "manager-members",
        "worker-1-members",
        "worker-2-members",
        "probe-run",
    }


def test_another_address_is_another_machine() -> None:
    hosts = host_config()["machines"]["hosts"]
    moved = {**hosts["workers"][1], "address": "10.20.0.99"}
    after = workshop(machines__hosts__workers=[hosts["workers"][0], moved])
    assert "worker-2-prepared-10.20.0.99" in by_name(after)
    assert "worker-2-prepared-10.20.0.12" not in by_name(after)
    joined = after.named("swarm-worker-2")
    assert joined.replacement_trigger == "10.20.0.99"
    assert joined.deleted_with.endswith("worker-2-prepared-10.20.0.99")


PLACES: dict[str, dict[str, Any]] = {
    "directory": {},
    "directory on a machine of its own": {"machines__hosts__storage": STORAGE_HOST},
    "device": {"storage": {"kind": "device", "device": "/dev/disk/by-id/wwn-1"}},
    "none": {"storage": {"kind": "none"}},
    "nfs": {"storage": {"kind": "nfs", "server": "10.20.0.200", "export": "/homes"}},
}


@pytest.mark.parametrize("place", PLACES)
def test_homes_are_where_the_settings_say(place: str) -> None:
    graph = workshop(**PLACES[place])
    names = set(by_name(graph))
    served = place.startswith(("directory", "device"))
    assert ("homes-exports" in names) == ("homes-quotas" in names) == served
    assert ("data-directory" in names) == place.startswith("directory")
    assert ("data-file-system" in names) == (place == "device")
    assert ("homes-mount" in names) == (place in ("nfs", "directory on a machine of its own"))
    assert graph.awaits(graph.named("hub-hub"), graph.named("state-directories"))
    if place == "device":
        assert document(graph.named("data-file-system"))["arguments"] == [
            *("/dev/disk/by-id/wwn-1", "0", "/var/nfs", "docker.service"),
        ]
    if place == "directory on a machine of its own":
        assert document(graph.named("data-directory"))["arguments"][-1] == "nfs-server.service"
        assert graph.named("homes-exports").inputs["connection"]["host"] == "10.20.0.6"


def test_a_directory_without_project_quotas_has_homes_without_them() -> None:
    graph = workshop(known={"directory_has_quotas": False}, storage__shared_folder=True)
    assert "homes-quotas" not in by_name(graph)
    assert graph.awaits(graph.named("probe-run"), graph.named("homes-shared"))
    assert "--expect-quota-gb 0 " in graph.named("probe-run").inputs["create"]


def test_the_overlay_fits_the_smallest_network() -> None:
    graph = workshop(known={"network_mtu": 1450})
    options = graph.named("swarm-overlay").inputs["options"]
    assert options == {"com.docker.network.driver.mtu": "1400"}


def test_how_people_log_in_to_a_machine_stays_theirs() -> None:
    files = {each.path: each.content for each in existing_machine_files(host_plan())}
    assert not any("PasswordAuthentication" in content for path, content in files.items() if "sshd" in path)
    assert files["/etc/swarmhub/stack"] == "swarmhub-dev\n"


MESSAGES: list[tuple[dict[str, Any], str]] = [
    (
        {"machines__hosts": None},
        "machines.hosts: this key is missing. Set it: the machines, as manager and workers.",
    ),
    (
        {"site__image": "debian-12"},
        (
            "site.image: this key has no meaning with site.kind: existing. "
            "Remove it, or set site.kind to another of openstack, existing."
        ),
    ),
    (
        {"machines__worker": {"flavor": "m3.large"}},
        (
            "machines.worker: this key has no meaning with site.kind: existing. "
            "Remove it, or set site.kind to another of openstack, existing."
        ),
    ),
    (
        {"storage": {"size_gb": 20}},
        (
            "storage.kind: volume is not possible with site.kind: existing. "
            "Choose one of device, directory, nfs, none."
        ),
    ),
    (
        {"storage": {"kind": "device"}},
        (
            "storage.device: this key is missing. storage.kind is device. "
            "Set it, or set storage.kind to another of volume, device, directory, nfs, none."
        ),
    ),
    (
        {"machines__hosts__manager": {"address": "10.20.0.11", "host_key": HOST_KEY}, "workers": 1},
        (
            "machines.hosts.manager.address: 10.20.0.11 is given 2 times. Each machine has one part. "
            "Give another machine.\n"
            "machines.hosts.workers[0].address: 10.20.0.11 is given 2 times. Each machine has one part. "
            "Give another machine."
        ),
    ),
    (
        {"machines__hosts__manager": {"address": "10.20.0.5"}},
        (
            "machines.hosts.manager.host_key: this key is missing. No host key is taken on trust. Set it to "
            "the machine's /etc/ssh/ssh_host_ed25519_key.pub, or set site.known_hosts_file."
        ),
    ),
    (
        {"machines__hosts__manager": {"address": "10.20.0.5", "host_key": "AAAA"}},
        (
            "machines.hosts.manager.host_key: 'AAAA' is not a public host key. It is type and key as in the "
            "machine's /etc/ssh/ssh_host_ed25519_key.pub. Copy the line from that file on the machine itself."
        ),
    ),
    (
        {"site__subnet_cidr": "10.20.0.0/28", "workers": 6},
        (
            "site.subnet_cidr: machines.hosts.workers[5].address 10.20.0.16 is not in 10.20.0.0/28. "
            "It is the network that the machines are on. Set it to that network, such as 10.1.0.0/24."
        ),
    ),
    (
        {"machines__hosts__storage": STORAGE_HOST, "storage": {"kind": "none"}},
        (
            "machines.hosts.storage: this key has no meaning with storage.kind: none. "
            "It belongs to kind: device or directory. "
            "Remove it, or set storage.kind to device or directory."
        ),
    ),
]


@pytest.mark.parametrize(("changes", "message"), MESSAGES, ids=[next(iter(each)) for each, _ in MESSAGES])
def test_a_contradiction_is_named_with_its_remedy(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


def test_nothing_of_existing_machines_has_a_meaning_in_a_cloud() -> None:
    config = host_config()
    config["site"] |= {"kind": "openstack", "known_hosts_file": "known_hosts", "through_manager": False}
    with pytest.raises(UserError) as caught:
        read_settings(config)
    assert [str(each).split(":")[0] for each in caught.value.findings] == [
        *("site.known_hosts_file", "site.through_manager", "site.image", "site.external_network"),
    ]


def test_secrets_are_in_no_command_text() -> None:
    for each in workshop():
        for name in ("create", "update", "delete"):
            text = str(each.inputs.get(name, ""))
            assert not any(secret in text for secret in ("private key", "word-of-", "SWMTKN")), each.name


def test_pulumi_knows_the_programs_components() -> None:
    registered = [each for each in workshop() if each.type.startswith("swarmhub:existing")]
    assert {each.type.rpartition(":")[2] for each in registered} == {
        *("ExistingMachine", "Directories", "HomesPlace"),
    }
    assert all(each.outputs is not None for each in registered)
