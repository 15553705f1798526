"""What the NFS server reads."""

from __future__ import annotations

import json

from swarmhub import plan as planned
from swarmhub.plan import Plan
from swarmhub.text.rendering import PROJECT_DIRECTORY, NodeFile, render, script

QUOTA_PROGRAM = "/opt/swarmhub/quota.py"
# The hub makes the homes: the storage machine finds them by the hub's own rule.
HUB_MODULES = ("names.py", "owners.py")


def storage_files(subnet_cidr: str) -> tuple[NodeFile, ...]:
    """What the NFS server reads."""
    exports = render(
        "swarmhub.exports", {"homes_directory": planned.HOMES_DIRECTORY, "machines_network": subnet_cidr}
    )
    return (
        NodeFile(path="/etc/nfs.conf.d/swarmhub.conf", content=script("nfs.conf")),
        NodeFile(path="/etc/exports.d/swarmhub.exports", content=exports),
    )


def home_files(plan: Plan, subnet_cidr: str) -> tuple[NodeFile, ...]:
    """The quota reconciler with its settings, and the shared folder's export (empty when there is none)."""
    storage = plan.settings.storage
    settings = {
        "homes": planned.HOMES_DIRECTORY,
        "state": planned.QUOTA_STATE_DIRECTORY,
        "default_gb": storage.home_quota_gb,
        "users": planned.configured_quotas_gb(plan.settings),
    }
    package = PROJECT_DIRECTORY / "images" / "hub" / "swarmhub_hub"
    shared = {"shared_directory": planned.SHARED_DIRECTORY, "machines_network": subnet_cidr}
    return (
        NodeFile(path=QUOTA_PROGRAM, content=script("quota.py"), mode="0755"),
        *(
            NodeFile(path=f"/opt/swarmhub/swarmhub_hub/{name}", content=(package / name).read_text())
            for name in HUB_MODULES
        ),
        NodeFile(
            path="/etc/systemd/system/swarmhub-quota.service",
            content=render("swarmhub-quota.service", {"mount_point": planned.MOUNT_POINT}),
        ),
        # Names of people are nobody else's business on that machine.
        NodeFile(
            path="/etc/swarmhub/quota.json",
            content=json.dumps(settings, indent=1, sort_keys=True) + "\n",
            mode="0600",
        ),
        NodeFile(
            path="/etc/exports.d/swarmhub-shared.exports",
            content=render("swarmhub-shared.exports", shared) if storage.shared_folder else "",
        ),
    )
