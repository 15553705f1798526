"""A whole workshop: what depends on what, from the network to the probe."""

from __future__ import annotations

import pulumi
import pulumi_openstack as openstack
from pulumi_openstack import compute

from components.front_door import FrontDoor
from components.hub import Hub
from components.images import Images
from components.machine import Machine, MachineArgs
from components.network import Network
from components.probe import Probe
from components.remote_host import OperatorKey
from components.storage import DataVolume, Storage
from components.swarm import Swarm
from swarmhub.plan import Plan

CLOUD_RETRIES = 5


class Workshop(pulumi.ComponentResource):
    """What its organiser needs: ``domain``, ``address``, ``login``, and ``manager`` (how ssh reaches it)."""

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
        data = DataVolume("data", plan, child)
        manager = Machine(
            plan.manager.name,
            MachineArgs(
                plan=plan,
                machine=plan.manager,
                network=network,
                keypair=keypair,
                key=key,
                public=True,
                # The other way round on the way down: a volume that is still attached cannot be deleted.
                created_after=[data.volume],
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
        storage = Storage("storage", plan=plan, data=data, machine=manager, network=network, opts=child)
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
        self.manager: pulumi.Output[dict[str, str]] = pulumi.Output.all(
            address=self.address,
            user=plan.ssh_user,
            private_key_file=key.private_file,
            host_key=manager.host.host_public_key,
        )
        hub = Hub(
            "hub",
            plan=plan,
            domain=self.domain,
            swarm=swarm,
            storage=storage,
            after=images.ready,
            opts=child,
        )
        front_door = FrontDoor(
            "front-door",
            plan=plan,
            domain=self.domain,
            address=self.address,
            swarm=swarm,
            storage=storage,
            opts=child,
        )
        Probe(
            "probe",
            plan=plan,
            domain=self.domain,
            address=self.address,
            hub=hub,
            host=manager.host,
            noticed=[
                hub.config,
                *(service.id for service in (hub.hub, hub.proxy)),
                plan.settings.hub.images.hub,
                plan.settings.hub.images.proxy,
                front_door.container.id,
                *(worker.instance.id for worker in workers),
            ],
            depends_on=[hub.hub, hub.proxy, storage.homes, front_door.certificate, *swarm.workers_ready],
            opts=child,
        )
        self.login = hub.login
        self.register_outputs({"address": self.address, "domain": self.domain})
