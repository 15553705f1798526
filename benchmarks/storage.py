"""Homes over NFS against the local disk, sync and async; what quotas and mounts cost. All in one run.

What it gave is in docs/homes.md.

The machine is one of the rehearsal cloud's guests, and mounts its own export: there is no network between, so
the difference is the protocol's and the disk's. Its data disk honours flushes. Rounds alternate, so that what
else the computer does meanwhile hits all alike. Needs what `make up` builds, not the cloud itself:

    scripts/with-env .venv/bin/python -m benchmarks.storage [--rounds 3]
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rehearsal import cloud, cloud_root, guest
from rehearsal.host import lock
from swarmhub import plan as planned
from swarmhub.text import QUOTA_PROGRAM, home_files, storage_files
from tests.support.stacks import dev_plan
from tests.vm.machine import VOLUME_ID, VOLUME_SIZE_GB, VirtualMachine, virtual_machine

GUEST = Path(__file__).parent.parent / "tests" / "vm" / "guest"
NETWORK = "127.0.0.0/8"
HOME = f"{planned.HOMES_DIRECTORY}/benchmark"
MOUNTED = "/mnt/benchmark"
EXPORTS = "/etc/exports.d/swarmhub.exports"
MOUNT = f"mount -t nfs4 -o rw,{planned.HOME_MOUNT_OPTIONS} 127.0.0.1:{HOME} {MOUNTED}"
HOME_VOLUME = (
    "type=volume,dst=/home/jovyan,volume-nocopy,volume-driver=local,volume-opt=type=nfs4,"
    f'volume-opt=device=:{HOME},"volume-opt=o=addr=127.0.0.1,rw,{planned.HOME_MOUNT_OPTIONS}"'
)
FILES, LINES = 1800, 1000
QUOTA_GB = 1.0
LIMIT_BYTES = int(QUOTA_GB * 1024**3)
QUOTA_GOAL_SECONDS, THOUSAND_GOAL_SECONDS = 2.0, 5.0
# How long a burst of homes may take before the run is given up.
PATIENCE_SECONDS = 60


def set_up(machine: VirtualMachine) -> None:
    plan = dev_plan(storage__home_quota_gb=QUOTA_GB)
    volume = (VOLUME_ID, str(VOLUME_SIZE_GB), planned.MOUNT_POINT, "docker.service")
    machine.step("ensure-volume.sh", volume, ())
    machine.step("ensure-storage.sh", (planned.MOUNT_POINT,), storage_files(NETWORK, None))
    arguments = (planned.MOUNT_POINT, str(planned.HOME_OWNER_ID), "")
    machine.step("ensure-homes.sh", arguments, home_files(plan, NETWORK))
    machine.run(f"install -d -m 0700 -o 1000 -g 1000 {HOME} && mkdir -p {MOUNTED} && {MOUNT}")


def time_files(machine: VirtualMachine, directory: str) -> float:
    """Seconds for 1,800 files of 4 KB in folders of 100, closed one by one; removed again afterwards."""
    program = (GUEST / "small_files.py").read_text()
    return float(machine.python(program, directory, str(FILES), timeout_seconds=600))


def time_lines(machine: VirtualMachine, directory: str) -> float:
    """Seconds for 1,000 lines of 100 bytes in one file, each written at once."""
    return float(machine.python((GUEST / "lines.py").read_text(), directory, str(LINES)))


def export(machine: VirtualMachine, mode: str) -> None:
    machine.run(
        f"sed -i -E 's/(rw,)a?sync/\\1{mode}/' {EXPORTS} && exportfs -ra && grep -q 'rw,{mode}' {EXPORTS}"
    )


def timed(machine: VirtualMachine, command: str) -> float:
    """Seconds that a command takes there, as a whole process."""
    return float(machine.python((GUEST / "timed.py").read_text(), *shlex.split(command)))


def time_starts(machine: VirtualMachine, rounds: int) -> tuple[float, float]:
    """Seconds until a container has started and ended, without a home and with one as a server has it."""
    image = dev_plan().settings.hub.images.user
    seconds: dict[str, list[float]] = {"": [], f"--mount '{HOME_VOLUME}'": []}
    for _ in range(rounds):
        for option, times in seconds.items():
            times.append(timed(machine, f"docker run --rm --network none {option} {image} true"))
    without, mounted = seconds.values()
    return statistics.median(without), statistics.median(mounted)


def make_homes(machine: VirtualMachine, prefix: str, count: int) -> float:
    """Seconds from the making of a home to its quota, for the slowest of so many made at once."""
    program = (GUEST / "make_homes.py").read_text()
    wanted = (planned.HOMES_DIRECTORY, prefix, str(count), str(LIMIT_BYTES), str(PATIENCE_SECONDS))
    result: dict[str, Any] = machine.python(program, *wanted)
    if result["limited"] != count:
        raise SystemExit(
            f"{count - result['limited']} of {count} homes had no quota after {PATIENCE_SECONDS} s"
        )
    return float(result["slowest_seconds"])


def time_thousand(machine: VirtualMachine) -> tuple[float, float]:
    """Seconds of one pass over 1,000 new homes, and over the same again."""
    machine.run("systemctl stop swarmhub-quota")
    machine.run(f"cd {planned.HOMES_DIRECTORY} && seq -f 'many%g' 1000 | xargs mkdir")
    once = f"python3 -B {QUOTA_PROGRAM} once"
    seconds = timed(machine, once), timed(machine, once)
    machine.run("systemctl start swarmhub-quota")
    return seconds


def measure(machine: VirtualMachine, rounds: int) -> list[tuple[str, float, float | None]]:
    files: dict[str, list[float]] = {"local": [], "sync": [], "async": []}
    for _ in range(rounds):
        files["local"].append(time_files(machine, HOME))
        for mode in ("sync", "async"):
            export(machine, mode)
            files[mode].append(time_files(machine, MOUNTED))
    export(machine, "sync")
    local_lines, lines = zip(
        *((time_lines(machine, HOME), time_lines(machine, MOUNTED)) for _ in range(rounds)), strict=True
    )
    mounts = []
    for _ in range(rounds):
        machine.run(f"umount {MOUNTED}")
        mounts.append(timed(machine, MOUNT))
    bare_start, home_start = time_starts(machine, rounds)
    single = [make_homes(machine, f"single{number}x", 1) for number in range(rounds)]
    burst = make_homes(machine, "burst", 100)
    setting = [
        timed(machine, f"python3 -B {QUOTA_PROGRAM} set -- benchmark 0.{number + 1}")
        for number in range(rounds)
    ]
    first, second = time_thousand(machine)
    crowded = make_homes(machine, "crowded", 100)
    middle = statistics.median
    return [
        (f"{FILES} files, local disk", middle(files["local"]), None),
        (f"{FILES} files, NFS, sync export", middle(files["sync"]), None),
        (f"{FILES} files, NFS, async export", middle(files["async"]), None),
        (f"{LINES} lines, one by one, local disk", middle(local_lines), None),
        (f"{LINES} lines, one by one, NFS", middle(lines), None),
        ("mount of one home", middle(mounts), None),
        ("container started and ended, without a home", bare_start, None),
        ("container started and ended, with its home over NFS", home_start, None),
        ("new home: made to limited", middle(single), QUOTA_GOAL_SECONDS),
        ("100 homes at once: made to limited, slowest", burst, QUOTA_GOAL_SECONDS),
        ("100 homes at once beside 1,000, slowest", crowded, QUOTA_GOAL_SECONDS),
        ("quota.py set, whole process", middle(setting), None),
        ("quota.py once, 1,000 new homes, whole process", first, THOUSAND_GOAL_SECONDS),
        ("quota.py once, 1,000 homes in order, whole process", second, THOUSAND_GOAL_SECONDS),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.storage")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with lock(cloud.LOCK, "virtual machine"):
        cloud_root.build()
        guest.build()
    with (
        tempfile.TemporaryDirectory(prefix="swarmhub-") as directory,
        virtual_machine(Path(directory), dev_plan(), data_cache="writeback") as machine,
    ):
        set_up(machine)
        rows = measure(machine, rounds)
    for what, seconds, most in rows:
        print(f"{what:<52} {seconds:8.2f} s" + (f"   goal {most:g} s" if most else ""))
    return int(any(most is not None and seconds > most for _, seconds, most in rows))


if __name__ == "__main__":
    sys.exit(main())
