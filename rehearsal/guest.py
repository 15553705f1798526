"""The guest's disk: Debian 12 ready for the swarm, with the container images in it, and its kernel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rehearsal import containers, guest_root, inputs, paths
from rehearsal.guest_root import LOG
from rehearsal.host import fail, step
from rehearsal.rootfs import in_root, remove_tree

DIRECTORY = paths.CHECKOUT / "rehearsal" / "guest"
WORK = paths.BUILDS / "guest-disk"
ARTIFACTS = (paths.GUEST_DISK, paths.GUEST_KERNEL, paths.GUEST_INITRD, paths.GUEST_FACTS)
# The smallest disk of any flavor; the file system grows to the flavor's size at the first boot.
MIN_DISK_GB = 4
COMMAND_LINE = (
    "root=/dev/vda",
    "rw",
    "console=ttyS0",
    "quiet",
    # A disk that is plugged in while the kernel looks for its disks can hide the one it boots from: then it
    # begins again, with all of them there.
    "panic=2",
    "net.ifnames=0",
    "mitigations=off",
    "apparmor=0",
    "fsck.mode=skip",
    "no5lvl",
    # The kernel would trust the emulated HPET more, and leave the guest for each look at the time.
    "tsc=reliable",
    "clocksource=tsc",
)


def facts() -> dict[str, object]:
    """Return what a cloud must know to boot the disk."""
    return {"min_disk_gb": MIN_DISK_GB, "command_line": " ".join(COMMAND_LINE)}


def key() -> str:
    """Return the hash of everything the guest is made from."""
    return inputs.digest(DIRECTORY, guest_root.SPEC.key, containers.key(), json.dumps(facts()))


def _only(pattern: str) -> str:
    found = sorted(path.name for path in (guest_root.SPEC.directory / "boot").glob(pattern))
    if len(found) != 1:
        fail(
            "guest", f"{len(found)} files {pattern} in the guest's /boot", f"Read {LOG}", "There must be one"
        )
    return found[0]


def _make_disk() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    places = {
        guest_root.SPEC.directory: "srv/root",
        DIRECTORY: "srv/guest",
        containers.STORE: "srv/store",
        WORK: "srv/work",
    }
    with in_root(paths.CLOUD_ROOT) as root:
        arguments = [f"/{place}" for place in places.values()]
        script = f"/{places[DIRECTORY]}/make-disk.sh"
        root.run(["bash", script, *arguments, str(MIN_DISK_GB)], binds=places, log=LOG)


def build() -> Path:
    """Build the guest and its container images unless nothing they are made of changed; return its disk."""
    wanted = key()
    if all(inputs.is_current(artifact, wanted) for artifact in ARTIFACTS):
        return paths.GUEST_DISK
    containers.build()
    guest_root.build()
    for artifact in ARTIFACTS:
        inputs.forget_key(artifact)
    with step("guest: disk"):
        _make_disk()
    paths.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    boot = guest_root.SPEC.directory / "boot"
    shutil.move(WORK / paths.GUEST_DISK.name, paths.GUEST_DISK)
    shutil.copyfile(boot / _only("vmlinuz-*"), paths.GUEST_KERNEL)
    shutil.copyfile(boot / _only("initrd.img-*"), paths.GUEST_INITRD)
    paths.GUEST_FACTS.write_text(json.dumps(facts(), indent=2) + "\n")
    remove_tree(WORK)
    for artifact in ARTIFACTS:
        inputs.record_key(artifact, wanted)
    return paths.GUEST_DISK
