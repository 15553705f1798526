"""What an OpenStack project holds, as names a failed assertion can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from openstack.config.loader import OpenStackConfig
from openstack.connection import Connection

# Made by Neutron with the project itself.
DEFAULT_SECURITY_GROUP = "default"


def connect(cloud: str, clouds_file: Path) -> Connection:
    """A connection by that entry of that file, whatever the environment says."""
    config = OpenStackConfig(config_files=[str(clouds_file)], load_envvars=False)
    return Connection(config=config.get_one(cloud))


def list_project(connection: Connection) -> list[str]:
    """Everything in the project that costs something or stands in the way: ``kind name``, sorted."""
    project = connection.current_project_id
    network = connection.network
    listings: dict[str, Callable[[], Iterable[Any]]] = {
        "server": connection.compute.servers,
        "keypair": connection.compute.keypairs,
        "volume": connection.block_storage.volumes,
        "port": lambda: network.ports(project_id=project),
        "router": lambda: network.routers(project_id=project),
        "subnet": lambda: network.subnets(project_id=project),
        "network": lambda: network.networks(project_id=project),
        "floating IP": lambda: network.ips(project_id=project),
        "security group": lambda: network.security_groups(project_id=project),
    }
    return sorted(
        f"{kind} {thing.name or thing.id}"
        for kind, listing in listings.items()
        for thing in listing()
        if (kind, thing.name) != ("security group", DEFAULT_SECURITY_GROUP)
    )


def read_consoles(connection: Connection) -> dict[str, str]:
    """The end of each server's console log, by the server's name."""
    return {
        server.name: connection.compute.get_server_console_output(server, length=400)["output"]
        for server in connection.compute.servers()
    }
