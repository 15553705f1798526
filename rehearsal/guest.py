"""The guest's disk: Debian 12 ready for the swarm, with the container images in it, and its kernel."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal import containers, guest_root, inputs, paths
from rehearsal.guest_root import LOG
from rehearsal.host import fail, step
from rehearsal.rootfs import in_root, remove_tree

DIRECTORY = paths.CHECKOUT / "rehearsal" / "guest"
MAKE_DISK = DIRECTORY / "make-disk.sh"
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


def _only(root: Path, pattern: str, log: Path) -> Path:
    found = sorted((root / "boot").glob(pattern))
    if len(found) != 1:
        fail(
            "guest", f"{len(found)} files {pattern} in the guest's /boot", f"Read {log}", "There must be one"
        )
    return found[0]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a machine boots from: its disk, and the kernel and initial RAM disk that the cloud gives it."""

    disk: Path
    kernel: Path
    initrd: Path

    def make(self, root: Path, directory: Path, *, log: Path, store: Path | None = None) -> None:
        """Make them of a root file system, what ``directory`` lays over it, and a store of images."""
        work = paths.BUILDS / f"{self.disk.stem}-disk"
        work.mkdir(parents=True, exist_ok=True)
        paths.ARTIFACTS.mkdir(parents=True, exist_ok=True)
        places = {root: "srv/root", directory: "srv/guest", work: "srv/work", MAKE_DISK: "srv/make-disk.sh"}
        arguments = ["/srv/root", "/srv/guest", "/srv/work", str(MIN_DISK_GB)]
        if store:
            places[store] = "srv/store"
            arguments.append("/srv/store")
        with in_root(paths.CLOUD_ROOT) as cloud_root:
            cloud_root.run(["bash", "/srv/make-disk.sh", *arguments], binds=places, log=log)
        shutil.move(work / "guest.qcow2", self.disk)
        shutil.copyfile(_only(root, "vmlinuz-*", log), self.kernel)
        shutil.copyfile(_only(root, "initrd.img-*", log), self.initrd)
        remove_tree(work)


def build() -> Path:
    """Build the guest and its container images unless nothing they are made of changed; return its disk."""
    wanted = key()
    if all(inputs.is_current(artifact, wanted) for artifact in ARTIFACTS):
        return paths.GUEST_DISK
    containers.build()
    guest_root.build()
    for artifact in ARTIFACTS:
        inputs.forget_key(artifact)
    parts = Parts(disk=paths.GUEST_DISK, kernel=paths.GUEST_KERNEL, initrd=paths.GUEST_INITRD)
    with step("guest: disk"):
        parts.make(guest_root.SPEC.directory, DIRECTORY, log=LOG, store=containers.STORE)
    paths.GUEST_FACTS.write_text(json.dumps(facts(), indent=2) + "\n")
    for artifact in ARTIFACTS:
        inputs.record_key(artifact, wanted)
    return paths.GUEST_DISK
