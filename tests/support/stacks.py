"""The dev stack's configuration and a cloud that answers to it, for tests without a cloud."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from swarmhub.facts import CloudFacts, ExistingNetwork, ExistingVolume, Flavor, LoginFacts
from swarmhub.plan import Plan, make_plan
from swarmhub.settings import read_settings
from swarmhub.text import PROJECT_DIRECTORY

DEV_CONFIG: dict[str, Any] = {
    name.removeprefix("swarmhub:"): section
    for name, section in yaml.safe_load((PROJECT_DIRECTORY / "Pulumi.dev.yaml").read_text())["config"].items()
}
FLAVOR = Flavor(id="flavor-id", name="s1.large", vcpus=2, memory_mb=2048, disk_gb=16)
EXISTING_NETWORK = ExistingNetwork(
    id="campus-net", subnet_id="campus-subnet", subnet_cidr="10.1.0.0/24", mtu=1450
)


def dev_config(**changes: Any) -> dict[str, Any]:
    """The dev stack with changes: ``machines__worker__count=3`` sets ``machines.worker.count``."""
    config = copy.deepcopy(DEV_CONFIG)
    for path, value in changes.items():
        *sections, name = path.split("__")
        section = config
        for each in sections:
            if isinstance(section.setdefault(each, {}), str):
                section[each] = {"kind": section[each]}
            section = section[each]
        section[name] = value
    return config


def facts(network: ExistingNetwork | None = None, **known: Any) -> CloudFacts:
    return replace(
        CloudFacts(
            project_name="demo",
            image_id="image-id",
            flavors={FLAVOR.name: FLAVOR},
            external_network_id="public-id",
            network=network,
        ),
        **known,
    )


def dev_plan(
    stack: str = "dev",
    network: ExistingNetwork | None = None,
    volumes: Mapping[str, ExistingVolume] | None = None,
    known: Mapping[str, Any] | None = None,
    login_facts: LoginFacts | None = None,
    **changes: Any,
) -> Plan:
    """The plan of the dev stack with changes; ``known`` replaces what the cloud says."""
    settings = read_settings(dev_config(**changes))
    found = facts(network, **{"volumes": volumes or {}, **(known or {})})
    return make_plan(settings, found, stack, login_facts or LoginFacts())
