"""Where homes can live, and that what is in them outlives the machines; the tests build on each other.

One stack goes through it all: with a storage machine, its volume grown, its machines replaced, destroyed with
the volumes kept, up again with homes on the manager, at last without homes.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openstack.connection import Connection

from live.commands import quota
from live.deployment import Deployment
from rehearsal.paths import CHECKOUT, CLIENT
from scripts.stack import ChangeFailed, Stack
from swarmhub.plan import PROBE_USER
from swarmhub.text import script
from tests.cloud.conftest import CLOUD, FAILED, configuration_for_tests, keep_logs
from tests.cloud.inventory import list_project
from tests.cloud.machines import Machines
from tests.support.phases import Phases

STATE = "/var/lib/swarmhub/state"
HOME = "/var/nfs/homes/ada"
MOUNTED = "/mnt/ada"
REBOOT_SECONDS = 300
START_FAILS_SECONDS = 120
QUOTA_GB = 0.1
# Small, so that the probe can write a home full in seconds.
KEPT = {"home_quota_gb": QUOTA_GB, "keep_after_destroy": True}
# What a file server's clients count on: a line counts as written once its fsync has come back.
WRITE_AND_FSYNC = f"""
import os, time
log = open("/tmp/written", "w", buffering=1)
with open("{MOUNTED}/lines", "w") as file:
    for number in range(100000):
        file.write(f"{{number}}\\n")
        file.flush()
        os.fsync(file.fileno())
        log.write(f"{{number}}\\n")
        time.sleep(0.05)
"""
START_WRITING = f"""
cat >/tmp/write.py <<'END'
{WRITE_AND_FSYNC}
END
nohup python3 /tmp/write.py >/tmp/write.log 2>&1 &
echo $! >/tmp/write.pid
"""
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
  umount -q /mnt/volume
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
STATE_OF_THE_HUB = f"""
cd {STATE}
sha256sum hub/jupyterhub_cookie_secret
find front-door/acme -path '*/accounts/*' -type f | sort | xargs sha256sum
stat -c '%n %u %a' hub front-door
python3 - <<'END'
import sqlite3
database = sqlite3.connect("file:hub/jupyterhub.sqlite?mode=ro", uri=True)
print(*database.execute("select name from users order by name"))
END
"""


CERTIFICATE = f"cat {STATE}/front-door/certificate/*.pem | sha256sum"
PROBE_TOKEN = """
hub=$(docker ps -q --filter label=com.docker.swarm.service.name=hub)
docker exec $hub cat /run/secrets/probe-token
"""


def storage_configuration(section: dict[str, Any], **machines: Any) -> dict[str, Any]:
    configuration = copy.deepcopy(configuration_for_tests())
    configuration["config"]["swarmhub:storage"] = section
    configuration["config"]["swarmhub:machines"] |= machines
    return configuration


class Course:
    """The stack under test, whose configuration changes as the course goes on."""

    def __init__(self, make_stack: Callable[..., Stack], connection: Connection) -> None:
        self.name = f"test-{uuid.uuid4().hex[:6]}"
        self._make = make_stack
        self.connection = connection
        self.kept_state = ""
        self.kept_ids: dict[str, str] = {}
        self.configure({"size_gb": 2, **KEPT}, storage="s1.medium")

    def configure(self, section: dict[str, Any], **machines: Any) -> None:
        self.stack = self._make(self.name, storage_configuration(section, **machines), {})
        self.machines = Machines(stack=self.stack, connection=self.connection)

    @property
    def volumes(self) -> dict[str, Any]:
        found = [
            v for v in self.connection.block_storage.volumes() if v.name.startswith(f"swarmhub-{self.name}-")
        ]
        return {each.name.rpartition("-")[2]: each for each in found}


@pytest.fixture(scope="module")
def course(
    make_stack: Callable[..., Stack], connection: Connection, request: pytest.FixtureRequest, phases: Phases
) -> Iterator[Course]:
    course = Course(make_stack, connection)
    yield course
    if request.config.stash.get(FAILED, False):
        keep_logs(course.stack, connection)
    if course.stack.exists() and course.stack.count_resources():
        with phases.phase("storage: destroy, in the end"):
            course.stack.mend(cloud=CLOUD)
            course.stack.change("destroy")
    for volume in course.volumes.values():
        connection.block_storage.delete_volume(volume)


def checksums(course: Course, machine: str) -> str:
    return course.machines.run(
        machine, f"cd {HOME} && find . -type f -name 'file-*' | sort | xargs sha256sum; stat -c '%u:%g %a' ."
    )


def fail_to_start(course: Course) -> tuple[str, float]:
    """Start a server that cannot have its home; what its user is told, and after how many seconds."""
    outputs = course.stack.outputs()
    secrets = {"user_password": outputs["user_password"]}
    secrets["probe_token"] = course.machines.run("manager", PROBE_TOKEN).strip()
    command = [sys.executable, "-m", "live.probe", "--url", outputs["url"], "--address", outputs["address"]]
    command += ["--user", PROBE_USER, "--ca-file", str(CLIENT / "issuer-root.pem")]
    done = subprocess.run(
        command, cwd=CHECKOUT, input=json.dumps(secrets), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1, done.stdout
    match = re.search(r"^probe: start server +([0-9.]+) s +failed$", done.stdout, re.MULTILINE)
    assert match, done.stdout + done.stderr
    return done.stderr, float(match[1])


def fail_to_start_without_nfs(course: Course, machine: str) -> tuple[str, float]:
    """The same while that machine's file server is stopped."""
    course.machines.run(machine, "systemctl stop nfs-server")
    try:
        return fail_to_start(course)
    finally:
        course.machines.run(machine, "systemctl start nfs-server")


@pytest.fixture(scope="module")
def written(course: Course, phases: Phases) -> str:
    """Bring the stack up with a storage machine and fill a home from a worker, as a server there would."""
    with phases.phase("storage: up with a storage machine"):
        course.stack.change("up")
    course.machines.run("manager", f"install -d -m 0700 -o 1000 -g 1000 {HOME}")
    address = course.machines.address("storage")
    course.machines.run(
        "worker-1",
        f"mkdir -p {MOUNTED} && mount -t nfs4 -o nfsvers=4.2,hard {address}:{HOME} {MOUNTED}",
    )
    course.machines.run(
        "worker-1",
        f"cd {MOUNTED} && for n in $(seq 40); do head -c 262144 /dev/urandom >file-$n; done && sync -f .",
        root=False,
    )
    return checksums(course, "storage")


def test_a_storage_machine_holds_the_homes_and_nothing_else(course: Course, written: str) -> None:
    assert written.count("file-") == 40
    assert written.splitlines()[-1] == "1000:1000 700"
    nodes = course.machines.run("manager", "docker node ls --format '{{.Hostname}}'").split()
    assert sorted(nodes) == ["manager", "worker-1"]
    running = course.machines.run("storage", "systemctl is-active docker nfs-server || true").split()
    assert running == ["inactive", "active"]
    assert "prjquota" in course.machines.run("storage", "findmnt -n -o OPTIONS /var/nfs")
    refused = course.machines.run("worker-1", f"touch {MOUNTED}/by-root 2>&1 || true")
    assert "Permission denied" in refused


def test_quotas_are_kept_there_and_asked_for_through_the_manager(course: Course, written: str) -> None:
    deployment = Deployment(stack=course.name, outputs=course.stack.outputs())
    machine = quota.storage_machine(deployment)
    assert machine.address == course.machines.address("storage")
    [entry] = [each for each in quota.ask(machine, "list") if each["folder"] == "ada"]
    assert entry["used_bytes"] >= 40 * 262144
    assert abs(entry["limit_bytes"] - QUOTA_GB * quota.GB) <= 4096


def try_volume(course: Course, steps: str, size_gb: int = 1) -> str:
    text = TRY_VOLUME.format(script=script("ensure-volume.sh"), steps=steps, size_gb=size_gb)
    return course.machines.run("manager", text)


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
def test_a_volume_that_is_not_blank_is_left_alone(
    course: Course, written: str, content: str, said: str
) -> None:
    steps = f"{content}; sha256sum <$device; ensure && exit 9; sha256sum <$device"
    before, sentence, after = try_volume(course, steps).splitlines()
    assert said in sentence
    assert before == after


def test_a_blank_volume_is_formatted_once_and_an_unfinished_formatting_is_repeated(
    course: Course, written: str
) -> None:
    steps = """
ensure; ensure; findmnt -n -o FSTYPE,OPTIONS /mnt/volume; stat -c %a /mnt/volume/directory
touch /mnt/volume/kept; ensure; ls /mnt/volume; umount /mnt/volume
printf '\\001' | dd of=$device bs=1 seek=126 conv=notrunc status=none
mount $device /mnt/volume 2>/dev/null && exit 9
ensure; ls /mnt/volume"""
    mounted, mode, *listed = try_volume(course, steps).splitlines()
    assert mounted.startswith("xfs ")
    assert "prjquota" in mounted
    assert mode == "700"
    assert listed == ["directory", "kept", "directory"]


def test_a_disk_that_does_not_grow_is_said(course: Course, written: str) -> None:
    said = try_volume(
        course, "sed -i s/grow_seconds=60/grow_seconds=2/ /tmp/ensure-volume.sh; ensure && exit 9; true", 2
    )
    assert "with 1073741824 bytes, and not with 2 GB" in said


def test_writes_wait_for_a_storage_machine_that_was_reset(
    course: Course, written: str, phases: Phases
) -> None:
    machines = course.machines
    machines.run("worker-1", START_WRITING, root=False)
    machines.await_run("worker-1", "wc -l </tmp/written", lambda said: int(said) > 50, 60)
    course.connection.compute.reboot_server(machines.server("storage"), "HARD")
    # Until the server is there again nothing is written; then it goes on where it was.
    machines.await_run(
        "storage", "systemctl is-active nfs-server", lambda said: said.strip() == "active", REBOOT_SECONDS
    )
    before = int(machines.run("worker-1", "wc -l </tmp/written"))
    with phases.phase("storage: writes wait after a reset"):
        machines.await_run(
            "worker-1", "wc -l </tmp/written", lambda said: int(said) > before + 20, REBOOT_SECONDS
        )
    machines.run(
        "worker-1", "kill $(cat /tmp/write.pid); cat /tmp/write.log >&2; [ ! -s /tmp/write.log ]", root=False
    )
    acknowledged = machines.run("worker-1", "cat /tmp/written", root=False).split()
    on_disk = machines.run("storage", f"cat {HOME}/lines").split()
    assert on_disk[: len(acknowledged)] == acknowledged
    assert checksums(course, "storage") == written


def test_a_start_without_the_storage_machine_fails_soon_with_the_reason(
    course: Course, written: str, phases: Phases
) -> None:
    said, seconds = fail_to_start_without_nfs(course, "storage")
    phases.seconds["storage: a start without storage fails"] = seconds
    assert "The home of swarmhub-probe cannot be made" in said
    assert seconds < START_FAILS_SECONDS


def test_the_volume_grows_in_use(course: Course, written: str, phases: Phases) -> None:
    course.configure({"size_gb": 3, **KEPT}, storage="s1.medium")
    with phases.phase("storage: up, volume grown"):
        progress = course.stack.change("up")
    assert course.volumes["data"].size == 3
    blocks, size = course.machines.run("storage", "stat -f -c '%b %S' /var/nfs").split()
    assert int(blocks) * int(size) > 2.8 * 1024**3
    assert checksums(course, "storage") == written
    assert progress.counts["updated"] == 2
    assert set(course.stack.change("up", "--expect-no-changes").counts) == {"unchanged"}


def test_the_volume_does_not_shrink(course: Course, written: str) -> None:
    course.configure({"size_gb": 2, **KEPT}, storage="s1.medium")
    with pytest.raises(ChangeFailed) as failure:
        course.stack.change("up")
    [error] = failure.value.errors
    assert error == (
        f"storage.size_gb: the volume swarmhub-{course.name}-data has 3 GB and cannot shrink to 2 GB. "
        "A volume only grows. Set storage.size_gb to at least 3."
    )


def test_replaced_machines_find_everything_again(course: Course, written: str, phases: Phases) -> None:
    servers = {name: course.machines.server(name).id for name in ("manager", "storage", "worker-1")}
    hub = course.machines.run("manager", STATE_OF_THE_HUB)
    certificate = course.machines.run("manager", CERTIFICATE)
    course.configure(
        {"size_gb": 3, **KEPT},
        storage="s1.medium",
        reinstall={"manager": 1, "storage": 1},
    )
    with phases.phase("storage: up, manager and storage machine replaced"):
        course.stack.change("up")
    assert course.machines.server("manager").id != servers["manager"]
    assert course.machines.server("storage").id != servers["storage"]
    assert course.machines.server("worker-1").id == servers["worker-1"]
    assert checksums(course, "storage") == written
    assert course.machines.run("manager", STATE_OF_THE_HUB) == hub
    assert course.machines.run("manager", CERTIFICATE) == certificate
    nodes = course.machines.run("manager", "docker node ls --format '{{.Hostname}} {{.Status}}'").splitlines()
    assert sorted(nodes) == ["manager Ready", "worker-1 Ready"]
    assert set(course.stack.change("up", "--expect-no-changes").counts) == {"unchanged"}


def test_destroy_keeps_the_volumes_and_says_their_ids(course: Course, written: str, phases: Phases) -> None:
    course.kept_state = course.machines.run("manager", STATE_OF_THE_HUB)
    course.kept_ids = {name: volume.id for name, volume in course.volumes.items()}
    with phases.phase("storage: destroy, volumes kept"):
        course.stack.change("destroy")
    assert list_project(course.connection) == [
        f"volume swarmhub-{course.name}-data",
        f"volume swarmhub-{course.name}-state",
    ]
    said = course.stack.log("destroy").read_text()
    assert all(f"({identity})" in said for identity in course.kept_ids.values())


def test_the_next_up_finds_the_volumes(course: Course, written: str, phases: Phases) -> None:
    course.configure({"size_gb": 3, **KEPT})
    with phases.phase("storage: up, volumes found, homes on the manager"):
        course.stack.change("up")
    assert {name: volume.id for name, volume in course.volumes.items()} == course.kept_ids
    assert checksums(course, "manager") == written
    assert course.machines.run("manager", STATE_OF_THE_HUB) == course.kept_state
    assert set(course.stack.change("up", "--expect-no-changes").counts) == {"unchanged"}


def test_a_start_without_the_managers_nfs_fails_with_the_reason(
    course: Course, written: str, phases: Phases
) -> None:
    said, seconds = fail_to_start_without_nfs(course, "manager")
    phases.seconds["storage: a start without the manager's NFS fails"] = seconds
    assert "failed to mount" in said
    assert seconds < START_FAILS_SECONDS


def test_without_homes_the_page_says_that_files_do_not_last(
    course: Course, written: str, phases: Phases
) -> None:
    course.configure({"kind": "none", "keep_after_destroy": False})
    with phases.phase("storage: up without homes"):
        course.stack.change("up")
    outputs = course.stack.outputs()
    domain = outputs["url"].removeprefix("https://")
    page = course.machines.run(
        "manager",
        f"curl -sk --max-time 30 --resolve {domain}:443:127.0.0.1 {outputs['url']}/hub/login",
    )
    assert "Files last only as long as your server runs" in page
    assert "/var/nfs" not in course.machines.run("manager", "findmnt -n -l -o TARGET")
    # What was kept stays, also when nothing uses it any more.
    assert course.volumes["data"].status == "available"


def test_destroy_without_keeping_leaves_what_was_kept_before_alone(course: Course, written: str) -> None:
    course.stack.change("destroy")
    assert list_project(course.connection) == [f"volume swarmhub-{course.name}-data"]
