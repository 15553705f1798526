"""Whether this machine runs guests by KVM: found out by booting, since /dev/kvm may exist and not work."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from rehearsal import paths
from rehearsal.host import CommandFailed, boot_id
from rehearsal.rootfs import in_root

DEVICE = Path("/dev/kvm")
RECORD = paths.RUN / "kvm.json"
LOG = paths.LOGS / "kvm.log"
PROBE_SECONDS = 15
# The kernel's last words before a userland that the probe does not give it.
PROOF = "Run /init as init process"


def works() -> bool:
    """Boot the guest's kernel by KVM, once per boot of this machine; False without a device or a kernel."""
    if not DEVICE.exists() or not paths.GUEST_KERNEL.exists():
        return False
    if RECORD.exists():
        record = json.loads(RECORD.read_text())
        if record["boot"] == boot_id():
            return bool(record["works"])
    LOG.unlink(missing_ok=True)
    machine = ("-machine", "pc", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-reboot")
    console = ("-display", "none", "-serial", "stdio")
    kernel = ("-kernel", "/run/guest/vmlinuz", "-initrd", "/run/guest/initrd")
    command_line = ("-append", "console=ttyS0 panic=-1 root=/dev/none")
    emulator = ("timeout", str(PROBE_SECONDS), "qemu-system-x86_64")
    # A probe that fails or hangs is an answer as well; what it printed decides.
    with in_root(paths.CLOUD_ROOT) as root, suppress(CommandFailed):
        root.run(
            [*emulator, *machine, *console, *kernel, *command_line],
            log=LOG,
            binds={paths.ARTIFACTS: "run/guest"},
        )
    proven = LOG.exists() and PROOF in LOG.read_text(errors="replace")
    paths.RUN.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"boot": boot_id(), "works": proven}))
    return proven
