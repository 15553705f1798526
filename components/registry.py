"""Images that the stack builds: once, on the manager; a registry in the swarm hands them to the workers."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker
from pulumi_command import remote

from components.remote_host import RemoteHost
from components.swarm import Swarm
from swarmhub import plan as planned
from swarmhub.text import (
    REGISTRY_CONTAINER,
    NodeFile,
    registry_access_files,
    registry_config,
)
from swarmhub.text.proxies import no_proxy

BUILD_SECONDS = 2700
PUSH_SECONDS = 600


class Registry(pulumi.ComponentResource):
    """``address`` stands in the images' names; after all of ``built`` it has them.

    It listens on the machines' network and answers those alone who show a certificate of the swarm, as its
    members have one: nothing secret is made or carried for it. The build is a step of ours rather than the
    provider's docker.Image: it pushes as a member, and looks at no Docker during a preview.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        swarm: Swarm,
        subnet_cidr: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:registry:Registry", name, None, opts)
        manager = swarm.manager
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
            image=plan.settings.hub.images.registry,
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
            opts=swarm.inside([configured], parent=self, delete_before_replace=True),
        )
        self.built = [
            self._build(f"{name}-{number}", environment, manager.host, plan, subnet_cidr, container)
            for number, environment in enumerate(plan.built, start=1)
        ]
        self.register_outputs({"address": self.address})

    def name_of(self, image: str) -> pulumi.Output[str]:
        """An image of the plan, by the name that Docker knows."""
        return self.address.apply(lambda address: planned.image_at(image, address))

    def access_files(self) -> pulumi.Output[Sequence[NodeFile]]:
        """What a member of the swarm needs before it can pull."""
        return pulumi.Output.all(self.address, self._certificate).apply(
            lambda pair: registry_access_files(*pair)
        )

    def _build(
        self,
        name: str,
        environment: planned.Environment,
        host: RemoteHost,
        plan: planned.Plan,
        subnet_cidr: str,
        container: docker.Container,
    ) -> remote.Command:
        assert environment.context is not None
        proxy = plan.settings.site.http_proxy
        return host.run(
            name,
            steps=["ensure-registry-access.sh", "ensure-built-image.sh"],
            arguments=[
                self.name_of(environment.image),
                str(BUILD_SECONDS),
                *([proxy, no_proxy(plan, subnet_cidr)] if proxy else []),
            ],
            files=self.access_files(),
            standard_input=environment.context.archive,
            depends_on=[container],
            limit_seconds=BUILD_SECONDS + PUSH_SECONDS,
            parent=self,
        )
