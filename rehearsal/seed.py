"""What the administrator of a cloud provides: images, flavors, the external network. Safe to run twice."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from rehearsal import inputs, inside, network
from rehearsal.host import wait_for

ADMIN_CLOUD = "rehearsal-admin"
KEY_PROPERTY = "swarmhub_key"
# name: memory in MB, processors, disk in GB
FLAVORS = {
    "s1.small": (512, 1, 4),
    "s1.medium": (1024, 1, 8),
    "s1.large": (2048, 2, 16),
    "r1.medium": (2048, 1, 16),
    "s1.xlarge": (4096, 2, 20),
}
CACHE_AGGREGATE = "all"
# Where Nova keeps unpacked images, each named by the SHA-1 of its id (nova.virt.imagecache.get_cache_fname).
CACHE_DIRECTORY = inside.DATA / "nova" / "instances" / "_base"
CACHE_LOG = inside.LOGS / "nova-compute.log"
CACHE_SECONDS = 180


def upload(
    cloud: Any,
    name: str,
    file: Path,
    key: str,
    *,
    format: str,
    container: str,
    visibility: str = "public",
    **properties: object,
) -> Any:
    """Have an image with this key under this name; images of another key are removed."""
    found = None
    for image in cloud.image.images(name=name):
        if image.status == "active" and image.properties.get(KEY_PROPERTY) == key:
            found = image
        else:
            cloud.image.delete_image(image)
            print(f"removed an older {name}")
    if found:
        return found
    begin = time.monotonic()
    image = cloud.image.create_image(
        name,
        filename=str(file),
        disk_format=format,
        container_format=container,
        visibility=visibility,
        validate_checksum=False,
        **{KEY_PROPERTY: key},
        **properties,
    )
    print(f"uploaded {name} in {time.monotonic() - begin:.1f} s")
    return image


def seed_images(cloud: Any) -> str | None:
    """Upload the guest and what it boots with; return its id, or None while no guest has been built."""
    disk = inside.ARTIFACTS / "guest.qcow2"
    if not disk.exists():
        print("no guest image has been built")
        return None
    facts = json.loads((inside.ARTIFACTS / "guest.json").read_text())
    name = inside.GUEST_IMAGE
    files = (disk, inside.ARTIFACTS / "vmlinuz", inside.ARTIFACTS / "initrd")
    # One key for the three, which refer to each other.
    key = inputs.digest(*(inputs.recorded_key(file) or inputs.digest(file) for file in files))
    kernel = upload(cloud, f"{name}-kernel", files[1], key, format="aki", container="aki")
    initrd = upload(cloud, f"{name}-initrd", files[2], key, format="ari", container="ari")
    guest = upload(
        cloud,
        name,
        disk,
        key,
        format="qcow2",
        container="bare",
        kernel_id=kernel.id,
        ramdisk_id=initrd.id,
        min_disk=facts["min_disk_gb"],
        os_command_line=facts["command_line"],
        os_distro="debian",
        hw_disk_bus="virtio",
        hw_vif_model="virtio",
        hw_rng_model="virtio",
    )
    return str(guest.id)


def computes(cloud: Any) -> bool:
    """Whether the compute host has reported lately: of a host that has not, Nova ignores requests."""
    services = cloud.compute.services(binary="nova-compute")
    return any(service.state == "up" for service in services)


def cache_image(cloud: Any, image_id: str) -> None:
    """Have the compute host fetch and unpack an image now, rather than when the first server is made.

    Nova does so in the background, into the file that it would use for a server made meanwhile, so that both
    spoil it for each other ("Image not in a supported format"): this waits until it is there.
    """
    cached = CACHE_DIRECTORY / hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()
    if cached.exists():
        return
    wait_for("the compute host", lambda: computes(cloud), log=CACHE_LOG, timeout_seconds=CACHE_SECONDS)
    begin = time.monotonic()
    aggregate = cloud.compute.find_aggregate(CACHE_AGGREGATE)
    if not aggregate:
        aggregate = cloud.compute.create_aggregate(name=CACHE_AGGREGATE)
        cloud.compute.add_host_to_aggregate(aggregate, inside.HOST_NAME)
    body = {"cache": [{"id": image_id}]}
    url = f"/os-aggregates/{aggregate.id}/images"
    answer = cloud.compute.post(url, json=body, microversion="2.81")
    if answer.status_code >= 300:
        print(f"the image is not cached: {answer.status_code} {answer.text}")
        return
    wait_for("the guest image in Nova's cache", cached.exists, log=CACHE_LOG, timeout_seconds=CACHE_SECONDS)
    print(f"unpacked it in {time.monotonic() - begin:.1f} s")


def seed_flavors(cloud: Any) -> None:
    """Make the flavors."""
    present = {flavor.name for flavor in cloud.compute.flavors()}
    for name, (memory_mb, processors, disk_gb) in FLAVORS.items():
        if name not in present:
            cloud.compute.create_flavor(
                name=name, ram=memory_mb, vcpus=processors, disk=disk_gb, is_public=True
            )


def seed_external_network(cloud: Any) -> None:
    """Make the network that floating addresses come from."""
    name = inside.EXTERNAL_NETWORK
    if cloud.network.find_network(name):
        return
    external = cloud.network.create_network(
        name=name,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    cloud.network.create_subnet(
        name=name,
        network_id=external.id,
        ip_version=4,
        cidr=str(network.SUBNET),
        gateway_ip=network.HOST_ADDRESS,
        is_dhcp_enabled=False,
        allocation_pools=[{"start": network.FLOATING_FIRST, "end": network.FLOATING_LAST}],
    )


def main() -> None:
    """Provide all of it."""
    import openstack

    cloud = openstack.connect(cloud=ADMIN_CLOUD)
    seed_flavors(cloud)
    seed_external_network(cloud)
    if image_id := seed_images(cloud):
        cache_image(cloud, image_id)


if __name__ == "__main__":
    main()
