"""The dev stack's configuration and a cloud that answers to it, for tests without a cloud."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from swarmhub.context import Context, Contexts
from swarmhub.facts import (
    CloudFacts,
    ExistingNetwork,
    ExistingVolume,
    Flavor,
    HostFacts,
    HostSurvey,
    LoginFacts,
)
from swarmhub.plan import Plan, make_plan, make_plan_on_hosts
from swarmhub.settings import read_settings
from swarmhub.text import PROJECT_DIRECTORY

DEV_CONFIG: dict[str, Any] = {
    name.removeprefix("swarmhub:"): section
    for name, section in yaml.safe_load((PROJECT_DIRECTORY / "Pulumi.dev.yaml").read_text())["config"].items()
}
FLAVOR = Flavor(id="flavor-id", name="s1.large", vcpus=2, memory_mb=2048, disk_gb=16)
# One flavor for all: what is counted is easier to follow.
DEV_CONFIG["machines"]["worker"]["flavor"] = FLAVOR.name
EXISTING_NETWORK = ExistingNetwork(
    id="campus-net", subnet_id="campus-subnet", subnet_cidr="10.1.0.0/24", mtu=1450
)


def dev_config(**changes: Any) -> dict[str, Any]:
    """The dev stack with changes: ``machines__worker__count=3`` sets ``machines.worker.count``."""
    return changed(copy.deepcopy(DEV_CONFIG), changes)


def changed(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration itself, with values put in by their paths."""
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
    contexts: Mapping[str, Context] | None = None,
    **changes: Any,
) -> Plan:
    """The plan of the dev stack with changes; ``known`` replaces what the cloud says."""
    settings = read_settings(dev_config(**changes))
    found = facts(network, **{"volumes": volumes or {}, **(known or {})})
    return make_plan(
        settings,
        found,
        stack,
        login_facts or LoginFacts(),
        Contexts(environments=contexts or {}, own=OWN_CONTEXTS),
    )


# What is built when no image is named, as far as a plan looks at it.
OWN_CONTEXTS = {
    name: Context(digest=f"{position:016x}", archive="")
    for position, name in enumerate(("hub", "proxy", "front-door", "acme", "registry", "user"), start=1)
}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKnownBeforehand"
MANAGER_HOST = {"address": "10.20.0.5", "public_address": "192.0.2.10", "host_key": HOST_KEY}


def host_config(workers: int = 2, **changes: Any) -> dict[str, Any]:
    """The dev stack on machines that are there already, with changes as in dev_config."""
    config = dev_config()
    config["site"] = {"kind": "existing", "ssh_user": "ops", "name_server": "172.24.4.1"}
    addresses = [f"10.20.0.{number}" for number in range(11, 11 + workers)]
    config["machines"] = {
        "hosts": {
            "manager": dict(MANAGER_HOST),
            "workers": [{"address": each, "host_key": HOST_KEY} for each in addresses],
        }
    }
    config["storage"] = {"kind": "directory", "directory": "/srv/homes", "home_quota_gb": 0.1}
    return changed(config, changes)


def host_facts(name: str, **known: Any) -> HostFacts:
    defaults: dict[str, Any] = {
        "hostname": name,
        "system": "Debian GNU/Linux 12 (bookworm)",
        "vcpus": 4,
        "memory_mb": 8192,
        "host_key": HOST_KEY,
        "network_mtu": 1500,
        "directory_has_quotas": True,
    }
    return HostFacts(**{**defaults, **known})


def host_survey(config: Mapping[str, Any], **known: Any) -> HostSurvey:
    """What machines answer on which nothing is in the way; ``known`` is what all of them say otherwise."""
    hosts = config["machines"]["hosts"]
    keys = {"machines.hosts.manager": "gate"}
    if "storage" in hosts:
        keys["machines.hosts.storage"] = "shelf"
    keys |= {f"machines.hosts.workers[{n}]": f"bench-{n + 1}" for n in range(len(hosts["workers"]))}
    return HostSurvey(hosts={key: host_facts(name, **known) for key, name in keys.items()})


def host_plan(workers: int = 2, known: Mapping[str, Any] | None = None, **changes: Any) -> Plan:
    """The plan of such a stack."""
    config = host_config(workers, **changes)
    return make_plan_on_hosts(read_settings(config), host_survey(config, **(known or {})), "dev")
