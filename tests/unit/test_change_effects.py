"""What the reference says of a later change is what it does to the resources of a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmhub.settings import Settings, keys_of
from swarmhub.settings.keys import ChangeEffect
from tests.support.recording import Graph, Resource
from tests.support.stacks import FLAVOR
from tests.unit.test_workshop import by_name, workshop

KNOWN = {"flavors": {"s1.large": FLAVOR, "s1.xlarge": replace(FLAVOR, id="xlarge-id", name="s1.xlarge")}}
# What only a deletion of a server looks at.
OF_NO_EFFECT = {"stopBeforeDestroy"}
INSTANCE = "openstack:compute/instance:Instance"

CHANGES: dict[str, Any] = {
    "site.overlay_cidr": "10.96.0.0/20",
    "site.mtu_bytes": 1400,
    "site.admin_networks": ["192.0.2.0/24"],
    "site.dns_servers": ["192.0.2.53"],
    "site.scheduler_hints": {"group": "0b8d9a1c-6a5e-4b0e-9a52-6a8a1f0e1a11"},
    "site.availability_zone": "nova",
    "site.boot_volume": {"size_gb": 30},
    "site.http_proxy": "http://192.0.2.8:3128",
    "site.registry_mirror": "http://192.0.2.8:5000",
    "machines.manager": "s1.xlarge",
    "machines.worker.flavor": "s1.xlarge",
    "machines.reinstall.manager": 1,
    "machines.reinstall.worker": 1,
    "storage.home_quota_gb": 0.25,
    "storage.keep_after_destroy": True,
    "storage.size_gb": 3,
    "storage.shared_folder": True,
    "hub.admins": ["grace"],
    "hub.announcement": "Coffee at ten",
    "hub.upload_max_mb": 5,
    "hub.images.hub": "example.org/hub:2",
    "limits.memory_gb": 0.25,
    "limits.cull_after_minutes": 30,
    "limits.outbound_networks": ["192.0.2.0/24"],
    "tls.email": "grace@example.org",
}


def effect_of(path: str) -> ChangeEffect:
    section: type = Settings
    *sections, name = path.split(".")
    for each in sections:
        inner = keys_of(section)[each].section
        assert inner is not None
        section = inner
    return keys_of(section)[name].change


def touched(before: Graph, after: Graph) -> dict[str, set[str]]:
    """Which inputs of which resources change, as far as the resource does not ignore it; new ones as well."""
    old, new = by_name(before), by_name(after)
    return {name: changed for name in new if (changed := changed_inputs(old.get(name), new[name]))}


def changed_inputs(old: Resource | None, new: Resource) -> set[str]:
    there = old.inputs if old else {}
    changed = {key for key in there.keys() | new.inputs.keys() if there.get(key) != new.inputs.get(key)}
    return changed - set(new.ignore_changes)


def restarts(changed: dict[str, set[str]]) -> bool:
    """Whether what the hub or nginx run from is another."""
    return bool(changed.keys() & {"hub-config", "hub-hub", "front-door-nginx"})


def machines(changed: dict[str, set[str]], graph: Graph) -> set[str]:
    """The inputs of servers that change, of whatever server."""
    of_each = (changed.get(each.name, set()) for each in graph.by_type(INSTANCE))
    return set().union(*of_each) - OF_NO_EFFECT


def replaces_machines(changed: dict[str, set[str]], graph: Graph) -> bool:
    ports = {each.name for each in graph.by_type("openstack:networking/port:Port")}
    anew = any(graph.named(each.name).replacement_trigger for each in graph.by_type(INSTANCE))
    return anew or bool(changed.keys() & ports) or bool(machines(changed, graph) - {"flavorId"})


HOLDS: dict[ChangeEffect, Callable[[dict[str, set[str]], Graph], bool]] = {
    ChangeEffect.NOTHING: lambda changed, graph: not restarts(changed) and not machines(changed, graph),
    ChangeEffect.IN_PLACE: lambda changed, graph: not restarts(changed) and not machines(changed, graph),
    ChangeEffect.RESTART: lambda changed, graph: restarts(changed) and not machines(changed, graph),
    ChangeEffect.NEXT_MACHINE: lambda changed, graph: not machines(changed, graph),
    ChangeEffect.NEXT_SWARM: lambda changed, graph: (
        "swarm-overlay" not in changed and not machines(changed, graph)
    ),
    ChangeEffect.RESIZE: lambda changed, graph: machines(changed, graph) == {"flavorId"},
    ChangeEffect.MACHINE: replaces_machines,
}


@pytest.fixture(autouse=True)
def _directory_ca(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.setattr("components.front_door.PROJECT_DIRECTORY", project)


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_does_what_the_reference_says(path: str) -> None:
    after = workshop(known=KNOWN, **{path.replace(".", "__"): CHANGES[path]})
    changed = touched(workshop(known=KNOWN), after)
    assert HOLDS[effect_of(path)](changed, after), changed


def test_every_effect_that_a_graph_can_show_is_tried() -> None:
    assert {effect_of(path) for path in CHANGES} == set(HOLDS)
