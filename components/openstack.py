"""The ground of a workshop in an OpenStack cloud: network, key, volumes, machines."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi_openstack import compute

from components.ground import Ground
from components.machine import Machine, MachineArgs
from components.network import Network
from components.remote_host import OperatorKey
from components.storage import FileSystem, Volume
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, HUB_STATE_DIRECTORY, Plan

CLOUD_RETRIES = 5


def make_ground(plan: Plan, key: OperatorKey, parent: pulumi.Resource) -> Ground:
    """Ask the cloud for all of it."""
    if plan.state is None:
        raise ValueError("a plan for a cloud without a volume for the hub's state")
    # As the program asks it: by its entry of clouds.yaml, whatever OS_CLOUD says.
    cloud = openstack.Provider(
        "cloud",
        cloud=plan.cloud,
        region=plan.region,
        # Clouds answer 429 to many calls at once, and say after how long to come again.
        max_retries=CLOUD_RETRIES,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    child = pulumi.ResourceOptions(parent=parent, providers={"openstack": cloud})
    network = Network("network", plan.network, child)
    keypair = compute.Keypair(
        "keypair",
        name=plan.prefix,
        public_key=key.public,
        opts=pulumi.ResourceOptions(parent=parent, provider=cloud),
    )
    state_volume = Volume("state", plan.state, child)
    data_volume = Volume("data", plan.data, child) if plan.data else None
    # The other way round on the way down: a volume that is still attached cannot be deleted.
    on_manager = [state_volume.volume]
    if data_volume and not plan.storage:
        on_manager.append(data_volume.volume)
    manager = Machine(
        plan.manager.name,
        MachineArgs(
            plan=plan,
            machine=plan.manager,
            network=network,
            keypair=keypair,
            key=key,
            public=True,
            holds_homes=plan.storage is None,
            created_after=on_manager,
        ),
        child,
    )
    workers = [
        Machine(
            worker.name,
            MachineArgs(
                plan=plan, machine=worker, network=network, keypair=keypair, key=key, through=manager.host
            ),
            child,
        )
        for worker in plan.workers
    ]
    storage_machine = None
    if plan.storage and data_volume:
        storage_machine = Machine(
            plan.storage.name,
            MachineArgs(
                plan=plan,
                machine=plan.storage,
                network=network,
                keypair=keypair,
                key=key,
                through=manager.host,
                holds_homes=True,
                created_after=[data_volume.volume],
            ),
            child,
        )
    data = None
    if data_volume:
        data = FileSystem("data", volume=data_volume, machine=storage_machine or manager, opts=child)
    state = FileSystem(
        "state",
        volume=state_volume,
        machine=manager,
        directories=[Path(directory).name for directory in (HUB_STATE_DIRECTORY, FRONT_DOOR_STATE_DIRECTORY)],
        opts=child,
    )
    volumes = {each.plan.name: each.volume.id for each in (state_volume, data_volume) if each}
    return Ground(
        network=network,
        manager=manager,
        workers=workers,
        storage=storage_machine,
        state=state,
        data=data,
        volumes=volumes,
        cloud=cloud,
        made=[
            *(network, keypair, state_volume, manager, *workers, state),
            *(each for each in (data_volume, storage_machine, data) if each),
        ],
    )
