"""What the NFS server reads, and how the manager mounts what another serves."""

from __future__ import annotations

import json

from swarmhub import plan as planned
from swarmhub.plan import Plan
from swarmhub.text.rendering import PROJECT_DIRECTORY, NodeFile, render, script

QUOTA_PROGRAM = "/opt/swarmhub/quota.py"
# The hub makes the homes: the storage machine finds them by the hub's own rule.
HUB_MODULES = ("names.py", "owners.py")


def storage_files(subnet_cidr: str, manager_address: str | None) -> tuple[NodeFile, ...]:
    """What the NFS server reads; ``manager_address`` is given when it is another machine than the manager.

    The manager makes homes and gives them to their users, so root there is root here. The rest of the
    machines' network runs students' code, and root of it is nobody.
    """
    exports = render(
        "swarmhub.exports",
        {
            "homes_directory": planned.HOMES_DIRECTORY,
            "manager": f"{manager_address}(rw,sync,no_root_squash,no_subtree_check,sec=sys) "
            if manager_address
            else "",
            "machines_network": subnet_cidr,
        },
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
        shared_export(plan, subnet_cidr),
    )


def shared_export(plan: Plan, subnet_cidr: str) -> NodeFile:
    """The shared folder's export, empty when there is none."""
    shared = {"shared_directory": planned.SHARED_DIRECTORY, "machines_network": subnet_cidr}
    return NodeFile(
        path="/etc/exports.d/swarmhub-shared.exports",
        content=render("swarmhub-shared.exports", shared) if plan.settings.storage.shared_folder else "",
    )


def manager_mount_options() -> str:
    """How the manager mounts homes: it makes and removes folders there, and must not hang for ever in it.

    A server that is down is an error after about half a minute (5 + 10 + 15 s), which whoever starts a server
    then reads. What users write goes through the workers' mounts, which wait.
    """
    return "nfsvers=4.2,proto=tcp,softerr,timeo=50,retrans=2,noatime"
