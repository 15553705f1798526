"""Images that the stack builds: once, on the manager; a registry in the swarm hands them to the workers."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components.builds import OwnImages, build_image
from components.swarm import Swarm
from swarmhub import plan as planned
from swarmhub.text import (
    REGISTRY_CONTAINER,
    NodeFile,
    registry_access_files,
    registry_config,
)


class Registry(pulumi.ComponentResource):
    """``address`` stands in the images' names; after all of ``built``, by the plan's names, it has them.

    It listens on the machines' network and answers those alone who show a certificate of the swarm, as its
    members have one: nothing secret is made or carried for it.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        swarm: Swarm,
        subnet_cidr: str,
        own: OwnImages,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:registry:Registry", name, None, opts)
        manager, image = swarm.manager, plan.images.registry
        assert image is not None
        self.address = manager.address.apply(lambda address: f"{address}:{planned.REGISTRY_PORT}")
        configured = manager.host.run(
            f"{name}-configuration",
            steps=["ensure-registry.sh"],
            arguments=[
                manager.address,
                planned.REGISTRY_CONFIG_DIRECTORY,
                planned.REGISTRY_DIRECTORY,
                REGISTRY_CONTAINER,
            ],
            depends_on=[swarm.overlay],
            parent=self,
        )
        self._certificate = configured.stdout
        container = docker.Container(
            f"{name}-container",
            name=REGISTRY_CONTAINER,
            image=image.name,
            # The machine's own rules then hold for it: containers of users reach none of its ports.
            network_mode="host",
            uploads=[
                docker.ContainerUploadArgs(
                    file="/etc/docker/registry/config.yml", content=self.address.apply(registry_config)
                )
            ],
            volumes=[
                docker.ContainerVolumeArgs(
                    host_path=planned.REGISTRY_CONFIG_DIRECTORY,
                    container_path=planned.REGISTRY_CONFIG_DIRECTORY,
                    read_only=True,
                ),
                docker.ContainerVolumeArgs(
                    host_path=planned.REGISTRY_DIRECTORY, container_path="/var/lib/registry"
                ),
            ],
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            restart="always",
            must_run=True,
            opts=swarm.inside([configured, *own.having(image)], parent=self, delete_before_replace=True),
        )
        self.built = {
            environment.image: build_image(
                f"{name}-{number}",
                image=self.name_of(environment.image),
                context=environment.context,
                host=manager.host,
                plan=plan,
                subnet_cidr=subnet_cidr,
                member_files=self.access_files(),
                depends_on=[container],
                parent=self,
            )
            for number, environment in enumerate(plan.built, start=1)
            if environment.context
        }
        self.register_outputs({"address": self.address})

    def name_of(self, image: str) -> pulumi.Output[str]:
        """An image of the plan, by the name that Docker knows."""
        return self.address.apply(lambda address: planned.image_at(image, address))

    def access_files(self) -> pulumi.Output[Sequence[NodeFile]]:
        """What a member of the swarm needs before it can pull."""
        return pulumi.Output.all(self.address, self._certificate).apply(
            lambda pair: registry_access_files(*pair)
        )
