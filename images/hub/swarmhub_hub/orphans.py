"""Users' services that no hub knows: its database was lost, or it ended while it started them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import docker
import sqlalchemy
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from swarmhub_hub.names import user_service

SERVICE_LABEL = "org.swarmhub.user"
TIMEOUT_SECONDS = 30
# Servers that the hub takes for running; it polls them when it starts.
RUNNING_SERVERS = """
select users.name, spawners.name from spawners
join users on users.id = spawners.user_id where spawners.server_id is not null
"""

log = logging.getLogger("jupyterhub.orphans")


def orphans(services: Iterable[Mapping[str, Any]], running: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of users' services that belong to none of the running servers (user, server)."""
    known = {user_service(user, server) for user, server in running}
    names = (str(service["Spec"]["Name"]) for service in services)
    return sorted(name for name in names if name not in known)


def running_servers(db_url: str) -> list[tuple[str, str]]:
    """Return (user, server) of the servers that the hub's database holds; none if it has no tables yet."""
    engine = sqlalchemy.create_engine(db_url)
    try:
        if not {"users", "spawners"} <= set(sqlalchemy.inspect(engine).get_table_names()):
            return []
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text(RUNNING_SERVERS))
            return [(str(user), str(server)) for user, server in rows]
    finally:
        engine.dispose()


def remove_orphans(db_url: str) -> list[str]:
    """Remove them, for they hold seats, and nobody can reach them; return their names.

    A hub must start even if this fails: what goes wrong is only logged.
    """
    removed: list[str] = []
    try:
        running = running_servers(db_url)
        client = docker.APIClient(version="auto", timeout=TIMEOUT_SECONDS, **kwargs_from_env())
        try:
            for name in orphans(client.services(filters={"label": SERVICE_LABEL}), running):
                client.remove_service(name)
                removed.append(name)
        finally:
            client.close()
    except (DockerException, OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        log.warning("Users' services without a server were not looked for: %s", error)
    if removed:
        log.warning("Removed users' services that the hub does not know: %s", ", ".join(removed))
    return removed
