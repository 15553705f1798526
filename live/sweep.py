"""Deletes what a killed `pulumi up` was creating: what the cloud has of a stack and its state does not.

Only what bears a name of the stack's plan is looked at: another stack's may begin with the same words. Only
what the state does not know is deleted, and of volumes only those whose own creation was pending: one that an
earlier destroy kept holds data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack import exceptions as sdk

from live.cloud import open_connection
from swarmhub.errors import UserError
from swarmhub.plan import resource_name
from swarmhub.settings import MAX_WORKERS

GONE_SECONDS = 120
MACHINES = ("manager", "storage", *(f"worker-{number}" for number in range(1, MAX_WORKERS + 1)))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource: how to list and delete it, where its name stands, and what a stack has of it.

    ``what`` is the last part of the names that swarmhub.plan.resource_name gives. With ``only_with``, a type
    of Pulumi's, only a stack that has or was making such a resource has any.
    """

    title: str
    what: Sequence[str]
    list_all: Callable[[Any], Iterable[Any]]
    delete: Callable[[Any, Any], None]
    name_of: Callable[[Any], str] = lambda resource: resource.name or ""
    id_of: Callable[[Any], str] = lambda resource: resource.id
    only_with: str = ""

    def names(self, stack: str) -> set[str]:
        """Every name that a resource of this kind can have in that stack."""
        return {resource_name(stack, what) for what in self.what}


def _delete_server(cloud: Any, server: Any) -> None:
    cloud.compute.delete_server(server)
    cloud.compute.wait_for_delete(server, interval=1, wait=GONE_SECONDS)


def _delete_router(cloud: Any, router: Any) -> None:
    for port in cloud.network.ports(device_id=router.id):
        if port.device_owner.startswith("network:router_interface"):
            cloud.network.remove_interface_from_router(router, port_id=port.id)
    cloud.network.delete_router(router)


def _delete_volume(cloud: Any, volume: Any) -> None:
    cloud.block_storage.delete_volume(volume)
    cloud.block_storage.wait_for_delete(volume, interval=1, wait=GONE_SECONDS)


def _list_records(cloud: Any) -> list[Any]:
    """The records of all zones, where the cloud has a DNS service."""
    zones = cloud.dns.zones() if cloud.has_service("dns") else []
    return [each for zone in zones for each in cloud.dns.recordsets(zone)]


VOLUME = "volume"
RECORD_TYPE = "openstack:dns/recordSet:RecordSet"
SERVER = Kind(
    title="server",
    what=MACHINES,
    list_all=lambda cloud: cloud.compute.servers(),
    delete=_delete_server,
)
# In the order of deletion: what is used comes after what uses it.
KINDS = (
    SERVER,
    Kind(
        title="floating IP",
        what=("network-address",),
        list_all=lambda cloud: cloud.network.ips(),
        delete=lambda cloud, each: cloud.network.delete_ip(each),
        # A floating IP has no name; the program describes it by one.
        name_of=lambda each: each.description or "",
    ),
    Kind(
        title="DNS record",
        what=("network-address",),
        list_all=_list_records,
        # Not every DNS service in a catalogue answers, and most stacks have no use for it.
        only_with=RECORD_TYPE,
        delete=lambda cloud, each: cloud.dns.delete_recordset(each.id, zone=each.zone_id),
        # Its own name is the hub's, which may be another's by now.
        name_of=lambda each: each.description or "",
        # As Pulumi knows it.
        id_of=lambda each: f"{each.zone_id}/{each.id}",
    ),
    Kind(
        title="port",
        what=MACHINES,
        list_all=lambda cloud: cloud.network.ports(),
        delete=lambda cloud, each: cloud.network.delete_port(each),
    ),
    Kind(
        title="router",
        what=("network-router",),
        list_all=lambda cloud: cloud.network.routers(),
        delete=_delete_router,
    ),
    Kind(
        title="subnet",
        what=("network-subnet",),
        list_all=lambda cloud: cloud.network.subnets(),
        delete=lambda cloud, each: cloud.network.delete_subnet(each),
    ),
    Kind(
        title="network",
        what=("network",),
        list_all=lambda cloud: cloud.network.networks(is_router_external=False),
        delete=lambda cloud, each: cloud.network.delete_network(each),
    ),
    Kind(
        title="security group",
        what=("network-members", "network-entrance", "network-homes"),
        list_all=lambda cloud: cloud.network.security_groups(),
        delete=lambda cloud, each: cloud.network.delete_security_group(each),
    ),
    Kind(
        title="keypair",
        what=("",),
        list_all=lambda cloud: cloud.compute.keypairs(),
        delete=lambda cloud, each: cloud.compute.delete_keypair(each),
        id_of=lambda each: each.name,
    ),
    Kind(
        title=VOLUME,
        what=("data", "state"),
        list_all=lambda cloud: cloud.block_storage.volumes(),
        delete=_delete_volume,
    ),
)
VOLUME_TYPE = "openstack:blockstorage/volume:Volume"


def _deployment(export: Mapping[str, Any]) -> Mapping[str, Any]:
    return export.get("deployment") or {}


def known_ids(export: Mapping[str, Any]) -> set[str]:
    """The ids of everything in a stack's state."""
    return {each["id"] for each in _deployment(export).get("resources") or [] if each.get("id")}


def _types(export: Mapping[str, Any]) -> set[str]:
    """The types of what the stack has and of what was being made for it."""
    deployment = _deployment(export)
    pending = [each["resource"] for each in deployment.get("pending_operations") or []]
    return {each.get("type", "") for each in [*(deployment.get("resources") or []), *pending]}


def is_in_a_cloud(export: Mapping[str, Any]) -> bool:
    """Whether the stack makes anything in a cloud; on existing machines the next `up` finds what there is."""
    return any("openstack" in each for each in _types(export))


def pending_volumes(export: Mapping[str, Any]) -> set[str]:
    """The names of the volumes that were being created when the run was ended."""
    return {
        (each["resource"].get("inputs") or {}).get("name", "")
        for each in _deployment(export).get("pending_operations") or []
        if each.get("type") == "creating" and each["resource"]["type"] == VOLUME_TYPE
    }


def without_pending_creations(export: Mapping[str, Any]) -> dict[str, Any]:
    """The export as the next `pulumi up` takes it without asking about what was being created."""
    pending = [
        each for each in _deployment(export).get("pending_operations") or [] if each.get("type") != "creating"
    ]
    return {**export, "deployment": {**_deployment(export), "pending_operations": pending}}


def sweep(cloud: Any, export: Mapping[str, Any], stack: str, *, dry_run: bool = False) -> list[str]:
    """Delete the orphans of a stack; returns the sentences of what was done, and of what could not be."""
    known, pending = known_ids(export), pending_volumes(export)
    said = []
    types = _types(export)
    for kind in KINDS:
        if kind.only_with and kind.only_with not in types:
            continue
        names = kind.names(stack)
        try:
            listed = list(kind.list_all(cloud))
        except (sdk.SDKException, ClientException) as error:
            said.append(f"could not list what the cloud has as {kind.title}: {error}")
            continue
        for each in listed:
            name, identity = kind.name_of(each), kind.id_of(each)
            if identity in known or name not in names:
                continue
            label = f"{kind.title} {name} ({identity})"
            if kind.title == VOLUME and name not in pending:
                said.append(
                    f"kept {label}: it may hold data, and the next pulumi up takes it up; "
                    "delete it by hand if it is not wanted"
                )
                continue
            if dry_run:
                said.append(f"would delete {label}")
                continue
            try:
                kind.delete(cloud, each)
            except sdk.NotFoundException:
                continue
            except sdk.SDKException as error:
                said.append(f"could not delete {label}: {error}")
            else:
                said.append(f"deleted {label}")
    return said


def settle(cloud: Any, stack: str, seconds: float = 20.0) -> None:
    """Wait until no server of the stack is being built: one in that state cannot always be deleted."""
    deadline = time.monotonic() + seconds
    names = SERVER.names(stack)
    while time.monotonic() < deadline:
        with suppress(sdk.SDKException):
            if not any(each.name in names and each.status == "BUILD" for each in cloud.compute.servers()):
                return
        time.sleep(1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="live.sweep", description=__doc__)
    parser.add_argument("--stack-export", type=Path, required=True, help="output of `pulumi stack export`")
    parser.add_argument("--cloud", help="entry of clouds.yaml; without it the OS_* variables are used")
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument(
        "--write-cleaned", type=Path, help="for `pulumi stack import`: without pending creations"
    )
    options = parser.parse_args(arguments)
    export = json.loads(options.stack_export.read_text())
    said = []
    if is_in_a_cloud(export):
        try:
            cloud = open_connection(options.cloud)
        except UserError as error:
            print(error, file=sys.stderr)
            return 1
        settle(cloud, options.stack)
        said = sweep(cloud, export, options.stack, dry_run=options.dry_run)
    for sentence in said:
        print(f"sweep: {sentence}", flush=True)
    if options.write_cleaned:
        options.write_cleaned.write_text(json.dumps(without_pending_creations(export)))
    return int(any(sentence.startswith("could not") for sentence in said))


if __name__ == "__main__":
    sys.exit(main())
