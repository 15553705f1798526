"""What becomes of a volume: formatted only when it is blank, let go of when homes are elsewhere."""

from __future__ import annotations

import pytest

from swarmhub import plan as planned
from swarmhub.text import script
from tests.vm.conftest import LOOPBACK_NETWORK, set_up_homes, set_up_storage
from tests.vm.machine import VirtualMachine

# A file that stands for a volume, given to the script that prepares volumes.
TRY_VOLUME = """
set -e
modprobe loop
truncate -s 1G /tmp/disk
device=$(losetup --find --show /tmp/disk)
link=/dev/disk/by-id/virtio-0123456789abcdef0123
ln -s "$device" "$link"
cp -p /etc/fstab /tmp/fstab
clean_up() {{
  umount -q /mnt/volume || true
  losetup -d "$device"
  rm -f "$link" /tmp/disk
  cp -p /tmp/fstab /etc/fstab
  systemctl daemon-reload
}}
trap clean_up EXIT
cat >/tmp/ensure-volume.sh <<'END'
{script}
END
ensure() {{
  bash /tmp/ensure-volume.sh 0123456789abcdef0123-rest {size_gb} /mnt/volume none.service directory 2>&1
}}
{steps}
"""


def try_volume(storage: VirtualMachine, steps: str, size_gb: int = 1) -> str:
    text = TRY_VOLUME.format(script=script("ensure-volume.sh"), steps=steps, size_gb=size_gb)
    said = storage.run("bash -s", input_text=text).stdout
    return said.replace("data size unchanged, skipping\n", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mkfs.ext4 -q $device", "holds ext4. Only a blank or an XFS volume is used."),
        ("mkswap -q $device", "holds swap."),
        ("printf x | dd of=$device bs=1 seek=536870912 status=none", "holds data of an unknown kind."),
        ("printf x | dd of=$device bs=1 seek=1073741823 status=none", "holds data of an unknown kind."),
    ],
    ids=["file system", "swap", "bytes in the middle", "bytes at the end"],
)
def test_a_volume_that_is_not_blank_is_left_alone(storage: VirtualMachine, content: str, said: str) -> None:
    before = "cp --sparse=always $device /tmp/before"
    steps = f"{content}; {before}; ensure && exit 9; cmp $device /tmp/before; rm /tmp/before"
    [sentence] = try_volume(storage, steps).splitlines()
    assert said in sentence


def test_a_blank_volume_is_formatted_once_and_an_unfinished_formatting_is_repeated(
    storage: VirtualMachine,
) -> None:
    steps = """
ensure; ensure; findmnt -n -o FSTYPE,OPTIONS /mnt/volume; stat -c %a /mnt/volume/directory
touch /mnt/volume/kept; ensure; ls /mnt/volume; umount /mnt/volume
xfs_db -x -c 'sb 0' -c 'write -d inprogress 1' $device >/dev/null 2>&1
mount $device /mnt/volume 2>/dev/null && exit 9
ensure; ls /mnt/volume"""
    mounted, mode, *listed = try_volume(storage, steps).splitlines()
    assert mounted.startswith("xfs ")
    assert "prjquota" in mounted
    assert mode == "700"
    assert listed == ["directory", "kept", "directory"]


def test_a_disk_that_does_not_grow_is_said(storage: VirtualMachine) -> None:
    said = try_volume(
        storage, "sed -i s/grow_seconds=60/grow_seconds=2/ /tmp/ensure-volume.sh; ensure && exit 9; true", 2
    )
    assert "with 1073741824 bytes, and not with 2 GB" in said


HOMES_MOUNT = (
    "127.0.0.1",
    "/srv/elsewhere",
    planned.HOMES_DIRECTORY,
    "nfsvers=4.2,softerr,timeo=50,retrans=2",
    str(planned.HOME_OWNER_ID),
)


def mounted(storage: VirtualMachine) -> list[str]:
    """What is mounted at or below the volume's place, now and at boot."""
    listing = (
        f"(findmnt -n -l -o TARGET,FSTYPE; awk '{{print $2, $3}}' /etc/fstab) | grep ^{planned.MOUNT_POINT}"
    )
    return sorted(" ".join(line.split()) for line in storage.run(f"{listing} || true").stdout.splitlines())


def test_a_machine_lets_go_of_homes_that_are_elsewhere_and_takes_them_up_again(
    storage: VirtualMachine,
) -> None:
    here, there = f"{planned.MOUNT_POINT} xfs", f"{planned.HOMES_DIRECTORY} nfs4"
    stays = f"{planned.HOMES_DIRECTORY}/stays"
    storage.run(f"install -d -o 1000 -g 1000 {stays} && echo 1 >{stays}/file")
    assert mounted(storage) == [here, here]
    export = f"/srv/elsewhere {LOOPBACK_NETWORK}(rw,sync,no_root_squash,no_subtree_check)"
    storage.run(
        f"mkdir -p /srv/elsewhere && echo '{export}' >/etc/exports.d/elsewhere.exports && exportfs -ra"
    )
    docker_since = storage.run("systemctl show --property=ActiveEnterTimestamp docker").stdout
    # As a run does that moves homes to a server that is there: the new is made before the old is removed.
    storage.step("ensure-homes-mount.sh", HOMES_MOUNT, ())
    assert mounted(storage) == [here, here, there, there]
    storage.step("remove-storage.sh", (), ())
    # The volume's own server is gone; the other one here is by chance on the same machine.
    storage.run("systemctl start nfs-server")
    storage.step("remove-volume.sh", (planned.MOUNT_POINT,), ())
    assert mounted(storage) == [there, there]
    assert storage.run(f"ls {planned.HOMES_DIRECTORY}").stdout == ""
    # And back: what is mounted there now would be hidden by the volume.
    set_up_storage(storage)
    assert mounted(storage) == [here, here, there]
    storage.step("remove-homes-mount.sh", (planned.HOMES_DIRECTORY,), ())
    set_up_homes(storage)
    assert mounted(storage) == [here, here]
    assert storage.run(f"cat {stays}/file").stdout == "1\n"
    active = storage.run("systemctl is-active nfs-server swarmhub-quota docker").stdout.split()
    assert active == ["active"] * 3
    assert storage.run("systemctl show --property=ActiveEnterTimestamp docker").stdout == docker_since
    for again in ("remove-homes-mount.sh", "remove-volume.sh"):
        storage.step(again, ("/nowhere",), ())
    storage.run(f"rm -r /srv/elsewhere /etc/exports.d/elsewhere.exports {stays}; exportfs -ra")
