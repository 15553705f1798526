"""A Cinder back end for one machine: each volume is one sparse raw file.

No iSCSI, no device-mapper, no loop device: Nova's libvirt driver opens the file itself. The volume type
``gpfs`` is the one in Nova that means just ``<disk type='file'>`` at ``data.device_path``, no connector.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from cinder import exception, interface  # type: ignore[import-not-found]
from cinder.image import image_utils  # type: ignore[import-not-found]
from cinder.volume import driver  # type: ignore[import-not-found]
from oslo_config import cfg  # type: ignore[import-not-found]

OPTIONS = [
    cfg.StrOpt("files_directory", default="/var/lib/cinder/files"),
    cfg.IntOpt("files_capacity_gb", default=200),
]
cfg.CONF.register_opts(OPTIONS, group="backend_defaults")
BYTES_PER_GB = 1024**3


@interface.volumedriver
class FileDriver(driver.CloneableImageVD, driver.BaseVD):  # type: ignore[misc]
    """Volumes and snapshots as files in one directory."""

    VERSION = "1.0"
    SUPPORTED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    @staticmethod
    def get_driver_options() -> list[Any]:
        return OPTIONS

    def _path(self, resource: Any) -> Path:
        return Path(self.configuration.files_directory, resource.name)

    def _grow(self, path: Path, size_gb: int) -> None:
        with path.open("ab") as file:
            if file.tell() < size_gb * BYTES_PER_GB:
                file.truncate(size_gb * BYTES_PER_GB)

    def _copy(self, source: Any, target: Any) -> None:
        self._execute(
            "cp", "--sparse=always", "--reflink=auto", str(self._path(source)), str(self._path(target))
        )

    def do_setup(self, context: Any) -> None:
        Path(self.configuration.files_directory).mkdir(parents=True, exist_ok=True)

    def check_for_setup_error(self) -> None:
        if not os.access(self.configuration.files_directory, os.W_OK):
            raise exception.VolumeBackendAPIException(
                data=f"cannot write {self.configuration.files_directory}"
            )

    def create_volume(self, volume: Any) -> None:
        self._grow(self._path(volume), volume.size)

    def delete_volume(self, volume: Any) -> None:
        self._path(volume).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        self._grow(self._path(volume), new_size)

    def create_snapshot(self, snapshot: Any) -> None:
        self._copy(snapshot.volume, snapshot)

    def delete_snapshot(self, snapshot: Any) -> None:
        self.delete_volume(snapshot)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        self._copy(snapshot, volume)
        self._grow(self._path(volume), volume.size)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        self._copy(src_vref, volume)
        self._grow(self._path(volume), volume.size)

    def revert_to_snapshot(self, context: Any, volume: Any, snapshot: Any) -> None:
        self.create_volume_from_snapshot(volume, snapshot)

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: Any, image_service: Any
    ) -> tuple[None, bool]:
        return None, False

    def copy_image_to_volume(
        self, context: Any, volume: Any, image_service: Any, image_id: Any, disable_sparse: bool = False
    ) -> None:
        block_size = self.configuration.volume_dd_blocksize
        path = self._path(volume)
        image_utils.fetch_to_raw(
            context, image_service, image_id, str(path), block_size, size=volume.size, run_as_root=False
        )
        self._grow(path, volume.size)

    def copy_volume_to_image(self, context: Any, volume: Any, image_service: Any, image_meta: Any) -> None:
        path = self._path(volume)
        image_utils.upload_volume(context, image_service, image_meta, str(path), "raw", run_as_root=False)

    # A file on the only machine needs no export, and no end of one.

    def ensure_export(self, context: Any, volume: Any) -> None:
        pass

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        pass

    def remove_export(self, context: Any, volume: Any) -> None:
        pass

    def create_export_snapshot(self, context: Any, snapshot: Any, connector: Any) -> None:
        pass

    def remove_export_snapshot(self, context: Any, snapshot: Any) -> None:
        pass

    def initialize_connection(self, volume: Any, connector: Any, **kwargs: Any) -> dict[str, Any]:
        data = {"device_path": str(self._path(volume)), "volume_id": volume.id, "discard": True}
        return {"driver_volume_type": "gpfs", "data": data}

    def terminate_connection(self, volume: Any, connector: Any, **kwargs: Any) -> None:
        pass

    def _update_volume_stats(self) -> None:
        name = self.configuration.safe_get("volume_backend_name") or "files"
        total_gb = self.configuration.files_capacity_gb
        free_gb = shutil.disk_usage(self.configuration.files_directory).free // BYTES_PER_GB
        pool = {
            "pool_name": name,
            "total_capacity_gb": total_gb,
            "free_capacity_gb": min(free_gb, total_gb),
            "provisioned_capacity_gb": 0,
            "max_over_subscription_ratio": "20.0",
            "thin_provisioning_support": True,
            "thick_provisioning_support": False,
            "reserved_percentage": 0,
            "QoS_support": False,
            "multiattach": False,
        }
        self._stats = {
            "volume_backend_name": name,
            "vendor_name": "swarmhub",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "pools": [pool],
        }
