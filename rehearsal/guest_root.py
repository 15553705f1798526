"""The root file system of guests: Debian 12 with all a machine of the swarm needs, not yet configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rehearsal import inputs, paths
from rehearsal.rootfs import Root, RootSpec, build_root, in_root

PACKAGES = (
    "systemd-sysv",
    "systemd-resolved",
    "dbus",
    "udev",
    "openssh-server",
    "sudo",
    "cloud-init",
    "docker.io",
    "tini",  # docker run --init
    "iptables",
    "nftables",
    "nfs-kernel-server",
    "nfs-common",
    "xfsprogs",
    "e2fsprogs",
    "chrony",
    "openssl",
    "curl",
    "jq",
    "less",
    "iputils-ping",
    "netcat-openbsd",
    "python3-minimal",
    "python3-yaml",
)
KERNEL_PACKAGES = ("initramfs-tools", "lz4", "zstd", "linux-image-cloud-amd64")
INITRAMFS_DIRECTORY = "etc/initramfs-tools"
# Just what finds the disk and a configuration drive; drivers for all else are on the disk.
INITRAMFS_SETTINGS = "MODULES=list\nCOMPRESS=lz4\nFSTYPE=ext4\n"
INITRAMFS_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "ext4",
    "crc32c_generic",
    "ata_piix",
    "sr_mod",
    "isofs",
)

SPEC = RootSpec(
    directory=paths.BUILDS / "guest-root",
    packages=PACKAGES,
    revision=inputs.digest(*KERNEL_PACKAGES, INITRAMFS_SETTINGS, *INITRAMFS_MODULES),
)
LOG = paths.LOGS / "guest.log"


def install_kernel(new_root: Root, packages: Sequence[str], *, log: Path) -> None:
    """Install a kernel, with an initial RAM disk of what a machine of the rehearsal cloud boots with."""
    # Entered again: systemd-resolved has made resolv.conf a link to a file that it would write.
    with in_root(new_root.directory) as root:
        # The settings first: the kernel's installation makes the initial RAM disk.
        root.write(f"{INITRAMFS_DIRECTORY}/conf.d/swarmhub", INITRAMFS_SETTINGS)
        root.write(f"{INITRAMFS_DIRECTORY}/modules", "".join(f"{name}\n" for name in INITRAMFS_MODULES))
        root.install(packages, log=log)


def _install_kernel(root: Root) -> None:
    install_kernel(root, KERNEL_PACKAGES, log=LOG)


def build() -> Root:
    """Build the root file system unless it is current."""
    build_root(SPEC, title="guest", log=LOG, finish=_install_kernel)
    return Root(SPEC.directory)
