"""A whole workshop: what depends on what, from the network to the probe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pulumi
from pulumi_command import local

from components.builds import OwnImages
from components.dns import Records
from components.existing import find_ground
from components.front_door import FrontDoor
from components.ground import Machine
from components.hub import Hub
from components.images import Images
from components.openstack import make_ground
from components.probe import Probe
from components.pushes import PushedImages
from components.registry import Registry
from components.remote_host import OperatorKey
from components.storage import Homes
from components.swarm import Swarm
from swarmhub.plan import Plan


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
        child = pulumi.ResourceOptions(parent=self)
        ground = find_ground(plan, key, self) if plan.manager.host else make_ground(plan, key, self)
        network, manager, workers = ground.network, ground.manager, ground.workers
        storage = Homes(
            "homes",
            plan=plan,
            network=network,
            manager=manager,
            storage=ground.storage,
            state=ground.state,
            data=ground.data,
            opts=child,
        )
        swarm = Swarm("swarm", plan=plan, network=network, manager=manager, workers=workers, opts=child)
        own = OwnImages("own-images", plan=plan, swarm=swarm, subnet_cidr=network.subnet_cidr, opts=child)
        registry = None
        if plan.built:
            registry = Registry(
                "registry", plan=plan, swarm=swarm, subnet_cidr=network.subnet_cidr, own=own, opts=child
            )
        if plan.pushed:
            PushedImages(
                "pushed-images", plan=plan, host=manager.host, own=own, registry=registry, opts=child
            )
        images = Images(
            "images",
            manager=manager.host,
            on_manager=[image.name for image in plan.images.all if image.context is None],
            workers={
                worker.host: joined for worker, joined in zip(workers, swarm.workers_ready, strict=True)
            },
            on_workers=[environment.image for environment in plan.environments],
            refresh=plan.settings.hub.images.refresh,
            registry=registry,
            opts=child,
        )
        members = swarm.admit_workers(images.workers_ready)
        self.address = manager.reached_at
        self.domain = self.address.apply(plan.domain_at)
        self.url = self.domain.apply(plan.url_of)
        self.manager = _reached(manager)
        self.storage = _reached(ground.storage or manager) if plan.serves_homes else None
        hub = Hub(
            "hub",
            plan=plan,
            domain=self.domain,
            swarm=swarm,
            storage=storage,
            registry=registry,
            own=own,
            images=images,
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
                opts=pulumi.ResourceOptions(
                    parent=self, providers={"openstack": ground.cloud} if ground.cloud else None
                ),
            )
        front_door = FrontDoor(
            "front-door",
            plan=plan,
            domain=self.domain,
            address=self.address,
            swarm=swarm,
            proxy=hub.proxy,
            storage=storage,
            own=own,
            named_after=records.made if records else [],
            opts=child,
        )
        # Much waits for nginx and nothing for this: on a small machine steps take time from each other.
        quotas_kept = storage.keep_quotas(after=[front_door.container])
        probe = Probe(
            "probe",
            plan=plan,
            url=self.url,
            address=self.address,
            hub=hub,
            host=manager.host,
            noticed=[
                hub.config,
                *(service.id for service in (hub.hub, hub.proxy)),
                *hub.images,
                front_door.container.id,
                *front_door.fingerprints,
                *(worker.identity for worker in workers),
                # A resized machine was away.
                *(machine.flavor_id for machine in (plan.manager, *plan.workers)),
            ],
            depends_on=[
                hub.hub,
                hub.anchor,
                *quotas_kept,
                *front_door.ready,
                *members,
            ],
            opts=child,
        )
        self.login = hub.login
        self.volumes = pulumi.Output.all(**ground.volumes)
        if plan.state:
            everything = [*ground.made, storage, swarm, images, hub, front_door, probe]
            everything += own.having(*plan.images.all)
            everything += [each for each in (registry, records) if each]
            self._tell_of_volumes(plan.state.keep, plan.state.protect, everything)
        self.register_outputs({"address": self.address, "domain": self.domain})

    def _tell_of_volumes(self, keep: bool, protect: bool, everything: Sequence[pulumi.Resource]) -> None:
        """What is told when it is deleted: `pulumi destroy` runs no program that could say what it leaves.

        Protected volumes alone would not stop a destroy before all that was made after them is gone. What
        depends on everything is deleted first, or not, and then nothing is.
        """
        kept = self.volumes.apply(
            lambda ids: "kept in the cloud: " + ", ".join(f"{name} ({ids[name]})" for name in sorted(ids))
        )
        local.Command(
            "kept-volumes",
            create="true",
            delete=kept.apply(lambda text: shlex.join(["echo", text])) if keep else None,
            opts=pulumi.ResourceOptions(
                parent=self, protect=protect, depends_on=everything if protect else []
            ),
        )
