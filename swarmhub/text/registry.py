"""The swarm's own registry, and what its members find it by."""

from __future__ import annotations

import shlex

from swarmhub.plan import REGISTRY_CONFIG_DIRECTORY
from swarmhub.text.rendering import NodeFile, render

REGISTRY_CONTAINER = "registry"


def registry_config(registry: str) -> str:
    """The registry's YAML; ``registry`` is address and port, as images' names have it."""
    return render("registry.yml", {"address": registry, "directory": REGISTRY_CONFIG_DIRECTORY})


def registry_access_files(registry: str, certificate: str) -> tuple[NodeFile, ...]:
    """What a member of the swarm knows the registry by."""
    return (
        NodeFile(
            path="/etc/swarmhub/registry.env",
            content=render("registry.env", {"registry": shlex.quote(registry)}),
        ),
        NodeFile(path=f"/etc/docker/certs.d/{registry}/ca.crt", content=certificate),
    )
