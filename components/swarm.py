"""The Docker swarm over internal addresses, its overlay network, and the provider that deploys to it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker
from pulumi_command import remote

from components.ground import Machine, MachinesNetwork
from components.remote_host import RemoteHost
from swarmhub import plan as planned
from swarmhub.text import NodeFile, closing_files, sharing_options, ssh_options


def verified_ssh_options(host: RemoteHost, *, shared: bool = False) -> pulumi.Output[list[str]]:
    """Options for an ``ssh`` that is not a person's: our key, and only the host key that we generated.

    ``shared`` sessions use one connection where the operator's key has a place for its socket.
    """
    directory = host.key.sockets_directory if shared else None
    return host.host_public_key.apply(
        lambda host_key: [
            *ssh_options(host.key.private_file, host_key),
            *(sharing_options(directory, host_key) if directory else ()),
            *("-o", "ServerAliveInterval=15"),
            *("-o", "LogLevel=ERROR"),
        ]
    )


class Swarm(pulumi.ComponentResource):
    """``provider`` deploys to the manager, ``overlay`` is the containers' network."""

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        network: MachinesNetwork,
        manager: Machine,
        workers: Sequence[Machine],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:swarm:Swarm", name, None, opts)
        self._name, self._plan = name, plan
        self.manager, self.workers = manager, workers
        initialised = manager.host.run(
            f"{name}-manager",
            steps=["ensure-gateway-bridge.sh", "ensure-closed.sh", "ensure-swarm-manager.sh"],
            arguments=[manager.address],
            files=self._closing(plan, planned.Role.MANAGER, manager, network),
            secret_output=True,
            parent=self,
        )
        token: pulumi.Output[str] = pulumi.Output.secret(initialised.stdout)
        self.workers_ready = [
            worker.host.run(
                f"{name}-{planned_worker.name}",
                steps=["ensure-gateway-bridge.sh", "ensure-closed.sh", "ensure-swarm-worker.sh"],
                arguments=[worker.address, manager.address],
                files=self._closing(plan, planned_worker.role, manager, network),
                standard_input=token,
                depends_on=[initialised],
                parent=self,
            )
            for planned_worker, worker in zip(plan.workers, workers, strict=True)
        ]
        self.provider = docker.Provider(
            f"{name}-docker",
            host=pulumi.Output.concat("ssh://", plan.ssh_user, "@", manager.host.address, ":22"),
            # The provider connects anew for each resource.
            ssh_opts=verified_ssh_options(manager.host, shared=True),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[initialised]),
        )
        self.overlay = docker.Network(
            f"{name}-overlay",
            name=plan.overlay.name,
            driver="overlay",
            attachable=True,
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=plan.overlay.cidr)],
            options={
                "com.docker.network.driver.mtu": network.mtu.apply(
                    lambda mtu_bytes: str(planned.overlay_mtu(int(mtu_bytes)))
                )
            },
            # The daemon adds the VXLAN ids to the options, and the provider would replace the network for it.
            # With containers on it that cannot be done, so that its addresses stay what they were as well.
            opts=self.inside([initialised], ignore_changes=["options", "ipamConfigs"]),
        )
        self.register_outputs({"overlay": self.overlay.id})

    def admit_workers(self, have_images: Sequence[pulumi.Resource]) -> list[remote.Command]:
        """Let each worker take servers once it has its images; have it once, and drained when it leaves.

        ``have_images`` are the steps after which the workers have them, in the workers' order.
        """
        return [
            # It lives in the manager: what lives in a worker is not run when the worker is deleted.
            self.manager.host.run(
                f"{self._name}-{planned_worker.name}-member",
                steps=["ensure-swarm-member.sh"],
                arguments=[planned_worker.hostname, joined.stdout.apply(str.strip)],
                removal="remove-swarm-member.sh",
                removal_arguments=[planned_worker.hostname],
                replaced_with=[worker.identity],
                # A resized machine has left and comes back.
                again_with=[planned_worker.flavor_id],
                depends_on=[joined, has_images],
                parent=self,
            )
            for planned_worker, worker, joined, has_images in zip(
                self._plan.workers, self.workers, self.workers_ready, have_images, strict=True
            )
        ]

    @staticmethod
    def _closing(
        plan: planned.Plan, role: planned.Role, manager: Machine, network: MachinesNetwork
    ) -> pulumi.Output[tuple[NodeFile, ...]]:
        return pulumi.Output.all(manager.address, manager.reached_at).apply(
            lambda addresses: closing_files(plan, role, addresses[0], addresses[1], network.subnet_cidr)
        )

    def inside(
        self,
        depends_on: Sequence[pulumi.Resource] = (),
        *,
        parent: pulumi.Resource | None = None,
        ignore_changes: Sequence[str] = (),
        delete_before_replace: bool = False,
    ) -> pulumi.ResourceOptions:
        """Options of anything that the Docker provider makes in this swarm: it ends with the manager."""
        return self.manager.life.options(
            parent or self,
            provider=self.provider,
            depends_on=depends_on,
            ignore_changes=ignore_changes,
            delete_before_replace=delete_before_replace,
        )
