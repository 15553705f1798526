"""Guests with nothing for a swarm in them: Ubuntu, of its archive's packages as they come.

Its own cloud images are not in the archive. Against those, these have fewer packages and no documentation;
the cloud gives the kernel, as it does for all its guests here, and the initial RAM disk is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rehearsal import containers, inputs, paths
from rehearsal.guest import COMMAND_LINE, MAKE_DISK, MIN_DISK_GB, Parts
from rehearsal.guest_root import INITRAMFS_MODULES, INITRAMFS_SETTINGS, install_kernel
from rehearsal.host import step
from rehearsal.mirror import Mirror, ubuntu_mirror
from rehearsal.registries import secret_files
from rehearsal.rootfs import Root, RootSpec, build_root

DIRECTORY = paths.CHECKOUT / "rehearsal" / "stock"
LOG = paths.LOGS / "stock-guest.log"
# Debian vouches for the keys that sign Ubuntu's releases.
KEYRING_SPEC = RootSpec(
    directory=paths.BUILDS / "ubuntu-keyring", suite="trixie", base_packages=("ubuntu-keyring",)
)
KEYRING = KEYRING_SPEC.directory / "usr/share/keyrings/ubuntu-archive-keyring.gpg"
PACKAGES = (
    "ubuntu-minimal",
    "systemd-resolved",
    "apparmor",
    "cloud-init",
    "openssh-server",
    "unattended-upgrades",
    "curl",
)
KERNEL_PACKAGES = ("initramfs-tools", "lz4", "linux-image-virtual")
BUILD_SECRETS = "etc/swarmhub-build-secrets"


def _mirror() -> Mirror:
    return ubuntu_mirror(KEYRING)


@dataclass(frozen=True, kw_only=True)
class StockGuest:
    """One release, under the name that clouds give its image."""

    name: str
    suite: str
    packages: tuple[str, ...] = PACKAGES

    @property
    def version(self) -> str:
        """The release's number."""
        return self.name.removeprefix("ubuntu-")

    @property
    def parts(self) -> Parts:
        """Where its disk, kernel and initial RAM disk are, once it is built."""
        files = (paths.ARTIFACTS / f"{self.name}{suffix}" for suffix in (".qcow2", ".vmlinuz", ".initrd"))
        disk, kernel, initrd = files
        return Parts(disk=disk, kernel=kernel, initrd=initrd)

    @property
    def spec(self) -> RootSpec:
        return RootSpec(
            directory=paths.BUILDS / f"{self.name}-root",
            suite=self.suite,
            mirror=_mirror,
            packages=self.packages,
            revision=inputs.digest(*KERNEL_PACKAGES, INITRAMFS_SETTINGS, *INITRAMFS_MODULES),
        )

    @property
    def command_line(self) -> str:
        """What the cloud gives its kernel."""
        return " ".join(word for word in COMMAND_LINE if word != "apparmor=0")

    @property
    def properties(self) -> Mapping[str, object]:
        """Of its image in Glance, as a vendor or a site sets them."""
        devices = ("hw_disk_bus", "hw_vif_model", "hw_rng_model")
        return {
            "min_disk": MIN_DISK_GB,
            "os_command_line": self.command_line,
            "os_distro": "ubuntu",
            **dict.fromkeys(devices, "virtio"),
        }

    def build(self) -> str:
        """Build it unless it is current; return its key."""
        wanted = inputs.digest(DIRECTORY, MAKE_DISK, str(MIN_DISK_GB), self.spec.key, self._build_settings())
        if inputs.is_current(self.parts.disk, wanted):
            return wanted
        build_root(KEYRING_SPEC, title="keys of Ubuntu", log=LOG)
        build_root(self.spec, title=self.name, log=LOG, finish=_finish)
        inputs.forget_key(self.parts.disk)
        with step(f"{self.name}: disk"):
            self.parts.make(self.spec.directory, DIRECTORY, log=LOG)
        inputs.record_key(self.parts.disk, wanted)
        return wanted

    @staticmethod
    def _build_settings() -> str:
        with secret_files(containers.SUITE, paths.RUN) as files:
            return inputs.digest(*(file.read_text() for file in files.values()))


def _finish(root: Root) -> None:
    install_kernel(root, KERNEL_PACKAGES, log=LOG)
    # Where this machine gets packages from, for the builds on a manager: see docs/how-to/own-image.md.
    with secret_files(containers.SUITE, paths.RUN) as files:
        for name, file in files.items():
            root.write(f"{BUILD_SECRETS}/{name}", file.read_text(), 0o600)


NOBLE = StockGuest(name="ubuntu-24.04", suite="noble")
JAMMY = StockGuest(
    name="ubuntu-22.04",
    suite="jammy",
    packages=tuple(each for each in PACKAGES if each != "systemd-resolved"),
)
