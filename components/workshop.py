"""A whole workshop: what depends on what, from the network to the probe."""

from __future__ import annotations

import shlex
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi_command import local
from pulumi_openstack import compute

from components.dns import Records
from components.front_door import FrontDoor
from components.hub import Hub
from components.images import Images
from components.machine import Machine, MachineArgs
from components.network import Network
from components.probe import Probe
from components.remote_host import OperatorKey
from components.storage import FileSystem, Homes, Volume
from components.swarm import Swarm
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, HUB_STATE_DIRECTORY, Plan

CLOUD_RETRIES = 5


def _reached(machine: Machine) -> pulumi.Output[dict[str, str]]:
    """How ssh reaches a machine, as live.deployment.Manager reads it."""
    return pulumi.Output.all(
        address=machine.reached_at,
        user=machine.host.user,
        private_key_file=machine.host.key.private_file,
        host_key=machine.host.host_public_key,
    )


class Workshop(pulumi.ComponentResource):
    """What its organiser needs: ``url``, ``address``, ``login``, and ``manager`` (how ssh reaches it).

    ``volumes`` are the ids of what holds data, by name; ``storage`` is how ssh reaches the machine that has
    the homes on a volume, through the manager where it is another, or None when no machine of the stack has.
    """

    def __init__(
        self, name: str, plan: Plan, key: OperatorKey, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("swarmhub:workshop:Workshop", name, None, opts)
        # As the program asks it: by its entry of clouds.yaml, whatever OS_CLOUD says.
        cloud = openstack.Provider(
            "cloud",
            cloud=plan.cloud,
            region=plan.region,
            # Clouds answer 429 to many calls at once, and say after how long to come again.
            max_retries=CLOUD_RETRIES,
            opts=pulumi.ResourceOptions(parent=self),
        )
        child = pulumi.ResourceOptions(parent=self, providers={"openstack": cloud})
        network = Network("network", plan.network, child)
        keypair = compute.Keypair(
            "keypair",
            name=plan.prefix,
            public_key=key.public,
            opts=pulumi.ResourceOptions(parent=self, provider=cloud),
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
        storage = Homes(
            "homes",
            plan=plan,
            network=network,
            manager=manager,
            storage=storage_machine,
            state=FileSystem(
                "state",
                volume=state_volume,
                machine=manager,
                directories=[
                    Path(directory).name for directory in (HUB_STATE_DIRECTORY, FRONT_DOOR_STATE_DIRECTORY)
                ],
                opts=child,
            ),
            data=data,
            opts=child,
        )
        swarm = Swarm("swarm", plan=plan, network=network, manager=manager, workers=workers, opts=child)
        hub_images = plan.settings.hub.images
        images = Images(
            "images",
            wanted={
                manager.host: [hub_images.hub, hub_images.proxy, hub_images.front_door, hub_images.acme],
                **{
                    worker.host: [environment.image for environment in plan.environments]
                    for worker in workers
                },
            },
            opts=child,
        )
        self.address = manager.reached_at
        self.domain = self.address.apply(plan.domain_at)
        self.url = self.domain.apply(plan.url_of)
        self.manager = _reached(manager)
        self.storage = _reached(storage_machine or manager) if plan.data else None
        hub = Hub(
            "hub",
            plan=plan,
            domain=self.domain,
            swarm=swarm,
            storage=storage,
            after=images.ready,
            opts=child,
        )
        records = None
        if plan.dns_zone_id:
            records = Records(
                "records",
                plan=plan,
                zone_id=plan.dns_zone_id,
                domain=self.domain,
                address=self.address,
                opts=child,
            )
        front_door = FrontDoor(
            "front-door",
            plan=plan,
            domain=self.domain,
            address=self.address,
            swarm=swarm,
            storage=storage,
            named_after=records.made if records else [],
            opts=child,
        )
        Probe(
            "probe",
            plan=plan,
            url=self.url,
            address=self.address,
            hub=hub,
            host=manager.host,
            noticed=[
                hub.config,
                *(service.id for service in (hub.hub, hub.proxy)),
                plan.settings.hub.images.hub,
                plan.settings.hub.images.proxy,
                front_door.container.id,
                *front_door.fingerprints,
                *(worker.instance.id for worker in workers),
            ],
            depends_on=[
                hub.hub,
                hub.proxy,
                *storage.quotas_kept,
                *front_door.ready,
                *swarm.workers_ready,
            ],
            opts=child,
        )
        self.login = hub.login
        self.volumes = pulumi.Output.all(
            **{each.plan.name: each.volume.id for each in (state_volume, data_volume) if each}
        )
        if plan.state.keep:
            # Told when it is deleted: `pulumi destroy` runs no program that could say what it leaves.
            local.Command(
                "kept-volumes",
                create="true",
                delete=self.volumes.apply(
                    lambda ids: shlex.join(
                        [
                            "echo",
                            "kept in the cloud: "
                            + ", ".join(f"{name} ({ids[name]})" for name in sorted(ids)),
                        ]
                    )
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"address": self.address, "domain": self.domain})
