"""The data volume on the manager: XFS with project quotas, its homes exported to the machines over NFSv4."""

from __future__ import annotations

import pulumi
from pulumi_openstack import blockstorage, compute

from components.machine import Machine
from components.network import Network
from swarmhub import plan as planned
from swarmhub.text import home_files, storage_files


class DataVolume(pulumi.ComponentResource):
    """The Cinder volume alone: it is made before the machine that uses it and outlives it."""

    def __init__(self, name: str, plan: planned.Plan, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("swarmhub:storage:DataVolume", name, None, opts)
        self.volume = blockstorage.Volume(
            f"{name}-volume",
            name=plan.volume_name,
            size=plan.volume_size_gb,
            description="swarmhub: homes, hub database, certificates",
            enable_online_resize=True,
            volume_type=plan.volume_type,
            availability_zone=plan.volume_availability_zone,
            opts=pulumi.ResourceOptions(
                # Another type or zone would be another volume, and the data lost.
                parent=self,
                ignore_changes=["volumeType", "availabilityZone"],
            ),
        )
        self.register_outputs({"volume_id": self.volume.id})


class Storage(pulumi.ComponentResource):
    """``address`` is the NFS server's; homes can be mounted after ``ready``, have quotas after ``homes``."""

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        data: DataVolume,
        machine: Machine,
        network: Network,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:storage:Storage", name, None, opts)
        attached = compute.VolumeAttach(
            f"{name}-attachment",
            instance_id=machine.instance.id,
            volume_id=data.volume.id,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=machine.instance),
        )
        self.ready = machine.host.run(
            f"{name}-file-system",
            steps=["ensure-storage.sh"],
            arguments=[data.volume.id, planned.MOUNT_POINT],
            files=storage_files(network.subnet_cidr),
            depends_on=[attached],
            parent=self,
        )
        shared = planned.SHARED_DIRECTORY if plan.settings.storage.shared_folder else ""
        self.homes = machine.host.run(
            f"{name}-homes",
            steps=["ensure-homes.sh"],
            arguments=[planned.MOUNT_POINT, str(planned.HOME_OWNER_ID), shared],
            files=home_files(plan, network.subnet_cidr),
            depends_on=[self.ready],
            parent=self,
        )
        self.address = machine.address
        self.register_outputs({"address": self.address})
