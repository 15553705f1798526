"""What a project of a cloud holds and may hold, and whose credentials ask for it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from swarmhub.facts import Credentials, Flavor, ProjectContents, Usage

AT_ONCE = 12
# Our name for a quota: the names of the limit and of what is used, from nova's and cinder's API references.
COMPUTE_LIMITS = {
    "instances": ("maxTotalInstances", "totalInstancesUsed"),
    "cores": ("maxTotalCores", "totalCoresUsed"),
    "memory_mb": ("maxTotalRAMSize", "totalRAMUsed"),
}
VOLUME_LIMITS = {
    "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
    "volume_gb": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
}
NETWORK_QUOTAS = {
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "ports": "port",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    "security_group_rules": "security_group_rule",
}
UNLIMITED = -1


def _usage(limit: int, used: int) -> Usage:
    return Usage(limit=None if limit == UNLIMITED else limit, used=used)


def _absolute_limits(proxy: Any, names: Mapping[str, tuple[str, str]]) -> dict[str, Usage]:
    answer = proxy.get("/limits")
    sdk.raise_from_response(answer)
    absolute = answer.json()["limits"]["absolute"]
    return {
        name: _usage(absolute[limit], absolute[used])
        for name, (limit, used) in names.items()
        if limit in absolute and used in absolute
    }


def _network_quotas(connection: Any) -> dict[str, Usage]:
    answer = connection.network.get(f"/quotas/{connection.current_project_id}/details")
    sdk.raise_from_response(answer)
    quota = answer.json()["quota"]
    return {
        name: _usage(quota[theirs]["limit"], quota[theirs]["used"] + quota[theirs].get("reserved", 0))
        for name, theirs in NETWORK_QUOTAS.items()
        if theirs in quota
    }


def _servers(connection: Any, prefix: str) -> dict[str, Flavor]:
    return {
        server.name: Flavor(
            id=server.flavor.get("id") or "",
            name=server.flavor.get("original_name") or "",
            vcpus=server.flavor.get("vcpus") or 0,
            memory_mb=server.flavor.get("ram") or 0,
            disk_gb=server.flavor.get("disk") or 0,
        )
        for server in connection.compute.servers(name=f"^{prefix}")
        if server.name.startswith(prefix)
    }


def read_project(connection: Any, prefix: str) -> ProjectContents:
    """What has a name that begins with ``prefix``, and the quotas that the cloud answers for."""
    project = connection.current_project_id
    network = connection.network

    def ours(things: Iterable[Any]) -> frozenset[str]:
        return frozenset(each.name for each in things if each.name and each.name.startswith(prefix))

    def quotas(read: Callable[[], dict[str, Usage]]) -> dict[str, Usage]:
        # Some clouds keep their quotas to themselves: what is not known is not checked, and said so.
        try:
            return read()
        except (sdk.SDKException, auth.ClientException, KeyError, TypeError, ValueError):
            return {}

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = [
            pool.submit(quotas, lambda: _absolute_limits(connection.compute, COMPUTE_LIMITS)),
            pool.submit(quotas, lambda: _absolute_limits(connection.block_storage, VOLUME_LIMITS)),
            pool.submit(quotas, lambda: _network_quotas(connection)),
        ]
        servers = pool.submit(_servers, connection, prefix)
        volumes = pool.submit(lambda: list(connection.block_storage.volumes()))
        groups = pool.submit(lambda: list(network.security_groups(project_id=project)))
        ports = pool.submit(lambda: ours(network.ports(project_id=project)))
        networks = pool.submit(lambda: ours(network.networks(project_id=project)))
        subnets = pool.submit(lambda: ours(network.subnets(project_id=project)))
        routers = pool.submit(lambda: ours(network.routers(project_id=project)))
        addresses = pool.submit(lambda: [each.description or "" for each in network.ips(project_id=project)])
        return ProjectContents(
            quotas={name: usage for answer in answers for name, usage in answer.result().items()},
            servers=servers.result(),
            volumes_gb={
                each.name: each.size for each in volumes.result() if (each.name or "").startswith(prefix)
            },
            rules={
                each.name: len(each.security_group_rules or [])
                for each in groups.result()
                if each.name.startswith(prefix)
            },
            ports=ports.result(),
            networks=networks.result(),
            subnets=subnets.result(),
            routers=routers.result(),
            addresses=frozenset(each for each in addresses.result() if each.startswith(prefix)),
        )


def read_credentials(connection: Any) -> Credentials:
    """Whose token it is, and when what it was got with expires, which passwords do not."""
    access = connection.session.auth.get_access(connection.session)
    token = access._data.get("token", {}) if isinstance(access._data, dict) else {}
    application = token.get("application_credential")
    if application:
        return Credentials(
            user_name=access.username or "",
            project_name=access.project_name or "",
            kind=f"application credential {application.get('name') or application['id']}",
            expires_at=_application_credential_end(connection, access.user_id, application["id"]),
        )
    given_token = "token" in (token.get("methods") or []) and "password" not in (token.get("methods") or [])
    return Credentials(
        user_name=access.username or "",
        project_name=access.project_name or "",
        kind="token" if given_token else "password",
        expires_at=access.expires if given_token else None,
    )


def _application_credential_end(connection: Any, user_id: str, identity: str) -> datetime.datetime | None:
    """When it expires (keystone's ``expires_at`` is in UTC); None when it does not or may not be asked."""
    try:
        answer = connection.identity.get(f"/users/{user_id}/application_credentials/{identity}")
        sdk.raise_from_response(answer)
        text = answer.json()["application_credential"].get("expires_at")
    except (sdk.SDKException, auth.ClientException):
        return None
    if not text:
        return None
    end = datetime.datetime.fromisoformat(text)
    return end if end.tzinfo else end.replace(tzinfo=datetime.UTC)
