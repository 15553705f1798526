"""A machine's user-data."""

from __future__ import annotations

import json
from typing import Any

import yaml

from swarmhub.plan import Machine, Plan
from swarmhub.settings import Site
from swarmhub.text.rendering import CLOUDINIT_DIRECTORY, NodeFile, ReadableDumper, render, script

METADATA_ADDRESS = "169.254.169.254"


def _registry_access(site: Site, overlay_cidr: str, subnet_cidr: str) -> tuple[NodeFile, ...]:
    """What packages and images are fetched through, where the site wants it so."""
    files = []
    if site.http_proxy:
        direct = ",".join(("localhost", "127.0.0.1", METADATA_ADDRESS, subnet_cidr, overlay_cidr))
        values = {"http_proxy": site.http_proxy, "no_proxy": direct}
        files += [
            NodeFile(
                path="/etc/apt/apt.conf.d/90swarmhub-proxy",
                content=render("apt-proxy.conf", {"http_proxy": site.http_proxy}),
            ),
            NodeFile(
                path="/etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf",
                content=render("docker-proxy.conf", values),
            ),
        ]
    if site.registry_mirror:
        content = json.dumps({"registry-mirrors": [site.registry_mirror]}) + "\n"
        files.append(NodeFile(path="/etc/swarmhub/docker.json", content=content))
    return tuple(files)


def cloud_config(
    plan: Plan, machine: Machine, subnet_cidr: str, host_private_key: str, host_public_key: str
) -> str:
    """A machine's user-data: its identity, its host key, and the few files that the first boot needs."""
    document: dict[str, Any] = yaml.safe_load((CLOUDINIT_DIRECTORY / "machine.yaml").read_text())
    files = (
        NodeFile(path="/etc/ssh/sshd_config.d/10-swarmhub.conf", content=script("sshd.conf")),
        NodeFile(path="/opt/swarmhub/bootstrap.sh", content=script("bootstrap.sh"), mode="0755"),
        *_registry_access(plan.settings.site, plan.overlay.cidr, subnet_cidr),
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
