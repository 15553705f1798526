"""Volumes that outlive their machines, the file systems on them, and where users' homes are mounted from."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_openstack import blockstorage, compute

from components import ground
from components.machine import Machine
from swarmhub import plan as planned
from swarmhub.text import home_files, manager_mount_options, shared_export, storage_files


class Volume(pulumi.ComponentResource):
    """The Cinder volume alone: it is made before the machine that uses it and outlives it.

    One that the cloud has already is imported; for one that is in the state, that changes nothing.
    """

    def __init__(self, name: str, plan: planned.Volume, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("swarmhub:storage:Volume", name, None, opts)
        self.plan = plan
        self.volume = blockstorage.Volume(
            f"{name}-volume",
            name=plan.name,
            size=plan.size_gb,
            description=plan.about,
            metadata=plan.metadata,
            enable_online_resize=True,
            volume_type=plan.volume_type,
            availability_zone=plan.availability_zone,
            opts=pulumi.ResourceOptions(
                parent=self,
                import_=plan.existing_id,
                retain_on_delete=plan.keep,
                protect=plan.protect,
                ignore_changes=[
                    # Another type or zone would be another volume, and the data lost.
                    "volumeType",
                    "availabilityZone",
                    # Cinder adds to the metadata, and an imported volume does not say how it may be resized:
                    # both would be changes for ever. Only a run that resizes needs the latter.
                    "metadata",
                    *([] if plan.grows else ["enableOnlineResize"]),
                ],
            ),
        )
        self.register_outputs({"volume_id": self.volume.id})


class FileSystem(pulumi.ComponentResource):
    """A volume attached to a machine, formatted if it is blank, grown, mounted; ``ready`` is done then."""

    def __init__(
        self,
        name: str,
        *,
        volume: Volume,
        machine: Machine,
        directories: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:storage:FileSystem", name, None, opts)
        attached = compute.VolumeAttach(
            f"{name}-attachment",
            instance_id=machine.instance.id,
            volume_id=volume.volume.id,
            opts=machine.life.options(self),
        )
        self.ready = machine.host.run(
            f"{name}-file-system",
            steps=["ensure-volume.sh"],
            arguments=[
                volume.volume.id,
                # After the resizing, and so after Cinder has done it.
                volume.volume.size.apply(str),
                volume.plan.mount_point,
                "nfs-server.service" if machine.plan.role is planned.Role.STORAGE else "docker.service",
                *directories,
            ],
            depends_on=[attached],
            parent=self,
            # A machine that stays would wait at every boot for a volume that is not its any more.
            removal="remove-volume.sh",
            removal_arguments=[volume.plan.mount_point],
        )
        self.register_outputs({})


class Homes(pulumi.ComponentResource):
    """Users' homes; ``address`` is the NFS server's, ``ready`` is done when homes can be made and mounted.

    Without homes ``address`` is empty, and ``ready`` waits for the hub's state alone. ``state`` is done when
    what the hub and nginx keep can be written.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        network: ground.MachinesNetwork,
        manager: ground.Machine,
        storage: ground.Machine | None,
        state: ground.FileSystem,
        data: ground.FileSystem | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:storage:Homes", name, None, opts)
        self._name, self._plan, self._network = name, plan, network
        self._server = (storage or manager) if data else None
        self.address = pulumi.Output.from_input("")
        self.state = self.ready = state.ready
        if data:
            server = storage or manager
            self.address = server.address
            self.ready = server.host.run(
                f"{name}-exports",
                steps=["ensure-storage.sh"],
                arguments=[planned.MOUNT_POINT],
                files=manager.address.apply(
                    lambda address: storage_files(network.subnet_cidr, address if storage else None)
                ),
                depends_on=[data.ready, state.ready],
                parent=self,
                removal="remove-storage.sh",
            )
            self._exported = self.ready
        elif plan.homes and plan.homes.server:
            self.address = pulumi.Output.from_input(plan.homes.server)
        if plan.homes and (storage or plan.homes.server):
            self.ready = manager.host.run(
                f"{name}-mount",
                steps=["ensure-homes-mount.sh"],
                arguments=[
                    self.address,
                    plan.homes.export,
                    planned.HOMES_DIRECTORY,
                    manager_mount_options(),
                    str(planned.HOME_OWNER_ID),
                ],
                depends_on=[self.ready],
                parent=self,
                removal="remove-homes-mount.sh",
                removal_arguments=[planned.HOMES_DIRECTORY],
            )
        self.register_outputs({"address": self.address})

    def keep_quotas(self, after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        """Give homes that a machine of the stack serves their quotas, and export the shared folder.

        Where homes can have no quotas the folder alone. ``after`` is what more waits for than for this.
        """
        if not self._server:
            return []
        shared = planned.SHARED_DIRECTORY if self._plan.settings.storage.shared_folder else ""
        if self._plan.has_quotas:
            what, step = "quotas", "ensure-homes.sh"
            arguments = [planned.MOUNT_POINT, str(planned.HOME_OWNER_ID), shared]
            files = home_files(self._plan, self._network.subnet_cidr)
        else:
            what, step = "shared", "ensure-shared-folder.sh"
            arguments = [str(planned.HOME_OWNER_ID), shared]
            files = (shared_export(self._plan, self._network.subnet_cidr),)
        kept = self._server.host.run(
            f"{self._name}-{what}",
            steps=[step],
            arguments=arguments,
            files=files,
            depends_on=[self._exported, *after],
            parent=self,
        )
        return [kept]
