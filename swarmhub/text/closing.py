"""What closes machines and users' containers to each other."""

from __future__ import annotations

import shlex

from swarmhub.plan import Plan, Role
from swarmhub.text.hub import HUB_PORT
from swarmhub.text.rendering import NodeFile, render, script


def closing_files(
    plan: Plan, role: Role, manager_address: str, public_address: str, subnet_cidr: str
) -> tuple[NodeFile, ...]:
    """The firewall of one machine and the filter of the overlay network on it.

    Of the manager's ``public_address`` users' servers reach what browsers do, and no ssh.

    Users' servers share one overlay with hub and proxy, whose packets never pass the machine's own rules:
    they are bridged inside a network namespace of Docker's. The rules lie there, one set per network, so
    that they hold before a container is in it and need no user's address. Against the alternatives: an
    overlay per user would restart hub and proxy for each; rules in each container's namespace come after
    its start; bridges without inter-container traffic do not exist for overlays.
    """
    outbound = plan.settings.limits.outbound_networks
    settings = {
        "role": role,
        "manager": manager_address,
        "machines_network": subnet_cidr,
        "public_address": public_address,
        "web_ports": " ".join(str(port) for port in plan.certificate.ports.values()),
        "file_server": (plan.homes.server if plan.homes else None) or "",
        "outbound_networks": " ".join(str(network) for network in outbound),
    }
    rules = (
        render("overlay-manager.nft", {"hub_port": HUB_PORT})
        if role is Role.MANAGER
        else script("overlay-worker.nft")
    )
    return (
        NodeFile(
            path="/etc/swarmhub/firewall.env",
            content=render("firewall.env", {name: shlex.quote(value) for name, value in settings.items()}),
        ),
        NodeFile(path="/etc/swarmhub/overlay.nft", content=rules),
        *(
            NodeFile(path=f"/opt/swarmhub/{name}", content=script(name), mode="0755")
            for name in ("firewall.sh", "filter-overlay.sh")
        ),
        NodeFile(
            path="/etc/systemd/system/swarmhub-overlay-filter.service",
            content=render("swarmhub-overlay-filter.service", {"network": plan.overlay.name}),
        ),
        NodeFile(
            path="/etc/systemd/system/swarmhub-firewall.service", content=script("swarmhub-firewall.service")
        ),
    )
