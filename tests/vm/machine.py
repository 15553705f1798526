"""A virtual machine of the rehearsal cloud's guest image, without the cloud: QEMU, reached by ssh."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.generated import MAKE_HOST_KEY
from components.remote_host import FIRST_BOOT_RESULT, RUN_WHAT_ARRIVES
from rehearsal import kvm, paths
from rehearsal.host import CommandFailed, ProcessRecord, fail, run, tail
from rehearsal.rootfs import Root, in_root
from swarmhub.plan import Plan
from swarmhub.text import NodeFile, cloud_config, script, ssh_options

MEMORY_MB = 1536
# As the rehearsal cloud's guests have them.
EMULATION, EMULATED_PROCESSOR = "tcg,thread=multi,tb-size=512", "max,la57=off,erms=off,fsrm=off"
VOLUME_ID = "5a0c3a64-1f0e-4c58-9b56-0d2f7c1d9a11"
VOLUME_SIZE_GB = 3
BOOT_SECONDS = 400
COMMAND_SECONDS = 300
# Cinder's serial as virtio passes it on.
SERIAL_CHARACTERS = 20
GUEST, SHARE = "run/guest", "run/vm"


@dataclass(frozen=True, kw_only=True)
class VirtualMachine:
    """A running machine; everything is done as root."""

    ssh: tuple[str, ...]
    console: Path

    def run(
        self,
        command: str,
        *,
        input_text: str = "",
        timeout_seconds: float = COMMAND_SECONDS,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell; raises CommandFailed with what it printed unless ``check`` is False."""
        words = [*self.ssh, f"sudo -n bash -c {quote(command)}"]
        done = subprocess.run(
            words, input=input_text, text=True, capture_output=True, timeout=timeout_seconds, check=False
        )
        if check and done.returncode:
            raise CommandFailed([command], done.returncode, done.stdout + done.stderr, None)
        return done

    def python(self, program: str, *arguments: str, timeout_seconds: float = COMMAND_SECONDS) -> Any:
        """Run a Python program there and return the JSON of its last line."""
        words = " ".join(quote(argument) for argument in arguments)
        done = self.run(f"python3 -B - {words}", input_text=program, timeout_seconds=timeout_seconds)
        return json.loads(done.stdout.splitlines()[-1])

    def step(self, name: str, arguments: Sequence[str], files: Sequence[NodeFile]) -> str:
        """Run a script of ``node/`` as a deployment does and return what it printed."""
        document = {
            "runner": script("run.py"),
            "name": name,
            "files": [asdict(file) for file in files],
            "before": [],
            "script": script(name),
            "arguments": list(arguments),
            "input": "",
        }
        done = self.run(f"exec python3 -c {quote(RUN_WHAT_ARRIVES)}", input_text=json.dumps(document))
        return done.stdout + done.stderr


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _make_keys(directory: Path) -> tuple[str, str, str]:
    """The operator's public key and the machine's own pair; the operator's private one is written there."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "id_ed25519"])
    public, _, private = run(["bash", "-c", MAKE_HOST_KEY]).partition("\n")
    return (directory / "id_ed25519.pub").read_text().strip(), " ".join(public.split()[:2]), private


def _make_disks(root: Root, directory: Path, metadata: dict[str, Any], user_data: str) -> None:
    latest = directory / "config" / "openstack" / "latest"
    latest.mkdir(parents=True)
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_text(user_data)
    binds = {paths.ARTIFACTS: GUEST, directory: SHARE}
    for command in (
        f"genisoimage -quiet -R -J -V config-2 -o /{SHARE}/config.iso /{SHARE}/config",
        f"qemu-img create -q -f qcow2 -b /{GUEST}/guest.qcow2 -F qcow2 /{SHARE}/root.qcow2 8G",
        f"qemu-img create -q -f raw /{SHARE}/data.raw {VOLUME_SIZE_GB}G",
    ):
        root.run(command.split(), binds=binds)


def _emulator(port: int, data_cache: str) -> list[str]:
    facts = json.loads(paths.GUEST_FACTS.read_text())
    accelerated = kvm.works()
    accelerator = "kvm" if accelerated else EMULATION
    data = f"file=/{SHARE}/data.raw,format=raw,discard=unmap,cache={data_cache}"
    drives = (
        (f"file=/{SHARE}/root.qcow2,format=qcow2,cache=unsafe", ""),
        (data, f",serial={VOLUME_ID[:SERIAL_CHARACTERS]}"),
        (f"file=/{SHARE}/config.iso,format=raw,readonly=on", ""),
    )
    words = [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "pc", "-accel", accelerator, "-cpu", "host" if accelerated else EMULATED_PROCESSOR),
        *("-smp", "2", "-m", str(MEMORY_MB), "-serial", "stdio"),
        *("-kernel", f"/{GUEST}/vmlinuz", "-initrd", f"/{GUEST}/initrd", "-append", facts["command_line"]),
        *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net"),
        *("-device", "virtio-rng-pci"),
    ]
    for number, (drive, serial) in enumerate(drives):
        words += ["-drive", f"{drive},if=none,id=drive{number}"]
        words += ["-device", f"virtio-blk-pci,drive=drive{number}{serial}"]
    return words


@contextmanager
def virtual_machine(directory: Path, plan: Plan, *, data_cache: str = "unsafe") -> Iterator[VirtualMachine]:
    """Boot a machine with the deployment's user-data and a blank data volume; it ends with the block.

    ``data_cache`` is QEMU's: unsafe drops what the guest wants to have on disk, writeback honours it.
    """
    operator_key, host_key, host_private_key = _make_keys(directory)
    user_data = cloud_config(plan, plan.manager, "10.20.0.0/24", host_private_key, host_key)
    metadata = {"uuid": VOLUME_ID, "hostname": "storage", "public_keys": {"operator": operator_key}}
    port, console = free_port(), directory / "console.log"
    with in_root(paths.CLOUD_ROOT) as root:
        _make_disks(root, directory, metadata, user_data)
        binds = {paths.ARTIFACTS: GUEST, directory: SHARE}
        emulator = root.start(_emulator(port, data_cache), log=console, binds=binds)
    record = ProcessRecord.of(emulator.pid)
    try:
        control = (
            "-o",
            "ControlMaster=auto",
            "-o",
            f"ControlPath={directory}/ssh",
            "-o",
            "ControlPersist=60",
        )
        options = ssh_options(str(directory / "id_ed25519"), host_key)
        quiet = ("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10")
        ssh = ("ssh", *quiet, *options, *control, "-p", str(port), f"{plan.ssh_user}@127.0.0.1")
        machine = VirtualMachine(ssh=ssh, console=console)
        _await_first_boot(machine, record)
        yield machine
    finally:
        subprocess.run([*ssh[:-1], "-O", "exit", ssh[-1]], capture_output=True, check=False)
        record.end(grace_seconds=10)
        emulator.wait()


def _await_first_boot(machine: VirtualMachine, emulator: ProcessRecord) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and emulator.is_alive():
        if machine.run(f"test -e {FIRST_BOOT_RESULT}", check=False).returncode == 0:
            return
        time.sleep(1)
    fail(
        "virtual machine",
        f"not booted within {BOOT_SECONDS} s",
        f"Its console ends with\n{tail(machine.console)}",
    )
