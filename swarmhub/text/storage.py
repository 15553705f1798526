"""What the NFS server reads."""

from __future__ import annotations

from swarmhub import plan as planned
from swarmhub.text.rendering import NodeFile, render, script


def storage_files(subnet_cidr: str) -> tuple[NodeFile, ...]:
    """What the NFS server reads."""
    exports = render(
        "swarmhub.exports", {"homes_directory": planned.HOMES_DIRECTORY, "machines_network": subnet_cidr}
    )
    return (
        NodeFile(path="/etc/nfs.conf.d/swarmhub.conf", content=script("nfs.conf")),
        NodeFile(path="/etc/exports.d/swarmhub.exports", content=exports),
    )
