"""A machine's user-data."""

from __future__ import annotations

import json
from typing import Any

import yaml

from swarmhub.plan import Machine, Plan
from swarmhub.text.proxies import no_proxy
from swarmhub.text.rendering import CLOUDINIT_DIRECTORY, NodeFile, ReadableDumper, render, script

BOOTSTRAP = NodeFile(path="/opt/swarmhub/bootstrap.sh", content=script("bootstrap.sh"), mode="0755")
SSHD_DROP_IN = "/etc/ssh/sshd_config.d/10-swarmhub.conf"


def _registry_access(plan: Plan, subnet_cidr: str) -> tuple[NodeFile, ...]:
    """What packages, images and certificates are fetched through, where the site wants it so."""
    files: list[NodeFile] = []
    proxy, mirror = plan.settings.site.http_proxy, plan.settings.site.registry_mirror
    if proxy:
        values = {"http_proxy": proxy, "no_proxy": no_proxy(plan, subnet_cidr)}
        # The docker command gives it to the containers that it starts, such as the ACME client's.
        containers = {"default": {"httpProxy": proxy, "httpsProxy": proxy, "noProxy": values["no_proxy"]}}
        files += [
            NodeFile(path="/etc/swarmhub/proxy.env", content=render("proxy.env", values)),
            NodeFile(
                path="/etc/apt/apt.conf.d/90swarmhub-proxy",
                content=render("apt-proxy.conf", {"http_proxy": proxy}),
            ),
            NodeFile(
                path="/etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf",
                content=render("docker-proxy.conf", values),
            ),
            NodeFile(path="/etc/swarmhub/docker-client.json", content=_json({"proxies": containers})),
        ]
    if mirror:
        files.append(
            NodeFile(path="/etc/swarmhub/docker.json", content=_json({"registry-mirrors": [mirror]}))
        )
    return tuple(files)


def _json(document: object) -> str:
    return json.dumps(document) + "\n"


def cloud_config(
    plan: Plan, machine: Machine, subnet_cidr: str, host_private_key: str, host_public_key: str
) -> str:
    """A machine's user-data: its identity, its host key, and the few files that the first boot needs."""
    document: dict[str, Any] = yaml.safe_load((CLOUDINIT_DIRECTORY / "machine.yaml").read_text())
    files = (
        NodeFile(path=SSHD_DROP_IN, content=script("sshd.conf")),
        BOOTSTRAP,
        *_registry_access(plan, subnet_cidr),
    )
    document |= {
        "hostname": machine.name,
        "ssh_keys": {"ed25519_private": host_private_key, "ed25519_public": host_public_key},
        "write_files": [
            {
                "path": file.path,
                "permissions": file.mode,
                "content": file.content,
            }
            for file in files
        ],
        "runcmd": [["/opt/swarmhub/bootstrap.sh", plan.ssh_user, str(machine.role)]],
    }
    return "#cloud-config\n" + yaml.dump(document, Dumper=ReadableDumper, sort_keys=True)


def existing_machine_files(plan: Plan) -> tuple[NodeFile, ...]:
    """What an existing machine gets instead of user-data. How people log in to it stays as it is."""
    return (
        NodeFile(path="/etc/swarmhub/stack", content=f"{plan.prefix}\n"),
        NodeFile(path=SSHD_DROP_IN, content=script("sshd-existing.conf")),
        BOOTSTRAP,
        *_registry_access(plan, plan.network.subnet_cidr),
    )


def members_files(plan: Plan) -> tuple[NodeFile, ...]:
    """What closes an existing machine's ports to all but the stack's machines."""
    members = ", ".join(machine.host.address for machine in plan.machines if machine.host)
    return (
        NodeFile(path="/etc/swarmhub/members.nft", content=render("members.nft", {"members": members})),
        NodeFile(
            path="/etc/systemd/system/swarmhub-members.service", content=script("swarmhub-members.service")
        ),
    )
