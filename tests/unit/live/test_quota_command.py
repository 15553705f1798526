"""`swarmhub quota`: the table, the sentences, and what is asked of the machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from live.cli import main
from live.commands import quota
from live.deployment import Deployment, Manager

GB = 1024**3
MANAGER = {
    "address": "192.0.2.7",
    "user": "debian",
    "private_key_file": "/key",
    "host_key": "ssh-ed25519 KEY",
}


def entry(name: str, used_gb: float, limit_gb: float, **more: Any) -> dict[str, Any]:
    limit = int(limit_gb * GB)
    return {
        "name": name,
        "email": "",
        "folder": name,
        "used_bytes": int(used_gb * GB),
        "inodes": 1,
        "limit_bytes": limit,
        "wanted_bytes": limit,
        "set_by": "storage.home_quota_gb",
        **more,
    }


ENTRIES = [
    entry("ada", 1.25, 5),
    entry("Grace Hopper", 4.5, 20, email="grace@example.org", set_by="swarmhub quota set"),
    entry("", 0, 5, folder="old-folder", limit_bytes=0),
    entry("alan@example.org", 0, 0, email="alan@example.org"),
]
TABLE = """\
person                            used GB  quota GB  full  set by
Grace Hopper <grace@example.org>     4.50     20.00   22%  swarmhub quota set
ada                                  1.25      5.00   25%  storage.home_quota_gb
alan@example.org                     0.00      none        storage.home_quota_gb
(old-folder)                         0.00      none        storage.home_quota_gb (not yet applied)
4 homes hold 5.75 GB
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run on the machine; it answers as the quota program does."""
    commands: list[list[str]] = []

    def run(self: Manager, command: list[str], **_: Any) -> str:
        commands.append(command)
        if command[3] == "list":
            return json.dumps(ENTRIES) + "\n"
        home = command[5] != "newcomer"
        return json.dumps({"name": "Grace Hopper", "home": home, "corrected": 1, "failures": {}}) + "\n"

    monkeypatch.setattr(Manager, "run", run)
    deployment = Deployment(stack="spring", outputs={"manager": MANAGER, "storage": MANAGER})
    monkeypatch.setattr(quota, "read_deployment", lambda stack: deployment)
    return commands


def test_the_list_names_people_and_begins_with_the_fullest(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quota"]) == 0
    assert capsys.readouterr().out == TABLE
    assert asked == [["python3", "-B", "/opt/swarmhub/quota.py", "list"]]


def test_the_list_as_json_has_the_same_order(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quota", "--json"]) == 0
    names = [each["name"] for each in json.loads(capsys.readouterr().out)]
    assert names == ["Grace Hopper", "ada", "alan@example.org", ""]


def test_set_tells_how_to_make_it_lasting(asked: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quota", "set", "grace@example.org", "20"]) == 0
    assert asked == [["python3", "-B", "/opt/swarmhub/quota.py", "set", "--", "grace@example.org", "20"]]
    assert capsys.readouterr().out == (
        "The quota of Grace Hopper is now 20 GB, kept on the data volume until "
        "`swarmhub quota unset 'Grace Hopper'`.\n"
        "To keep it with the stack, write in its file: "
        'storage: {quota_overrides: {users: {"Grace Hopper": 20}}}\n'
    )


def test_unset_and_a_person_without_a_home(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quota", "unset", "newcomer"]) == 0
    assert capsys.readouterr().out == (
        "The quota of Grace Hopper is what the stack file says. "
        "Grace Hopper has no home yet: it counts from the first start.\n"
    )


@pytest.mark.parametrize("amount", ["nan", "inf", "-1"])
def test_a_quota_that_is_none_is_a_sentence(
    amount: str, asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quota", "set", "--", "ada", amount]) == 1
    assert capsys.readouterr().err == f"GB: {amount} is not a quota. Give 0 for none, or more.\n"
    assert asked == []


def test_a_storage_machine_is_reached_through_the_manager() -> None:
    storage = {**MANAGER, "address": "10.20.0.12", "host_key": "ssh-ed25519 OTHER"}
    machine = quota.storage_machine(
        Deployment(stack="spring", outputs={"manager": MANAGER, "storage": storage})
    )
    line = machine.ssh()
    assert line[-1] == "debian@10.20.0.12"
    [jump] = [option for option in line if option.startswith("ProxyCommand=")]
    assert jump.endswith("-W 10.20.0.12:22 debian@192.0.2.7")
    # Each of the two keys is believed of its own machine alone.
    assert "%%H ssh-ed25519 KEY" in jump
    assert "KnownHostsCommand=/bin/echo %H ssh-ed25519 OTHER" in line


def test_without_a_volume_of_its_own_the_stack_keeps_no_quotas(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = Deployment(stack="spring", outputs={"manager": MANAGER})
    monkeypatch.setattr(quota, "read_deployment", lambda stack: deployment)
    assert main(["quota"]) == 1
    assert capsys.readouterr().err == (
        "stack spring: it keeps no quotas: its homes are on no volume of its own. "
        "Quotas on another NFS server are set there.\n"
    )
