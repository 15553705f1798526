"""Where homes can live, and that what is in them outlives the machines.

One stack goes through it all: with a storage machine, its volume grown, its machines replaced, destroyed with
the volumes kept, up again with homes on the manager, without homes, with homes on a server that is there
already, at last with a volume that holds something else. Each stage brings the stack where it wants it from
wherever it is, so that one that fails hides no other.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.generated import MAKE_HOST_KEY
from components.remote_host import FIRST_BOOT_RESULT
from live.deployment import Manager
from rehearsal.host import run
from rehearsal.paths import CHECKOUT, CLIENT
from scripts.progress import Progress
from scripts.stack import ChangeFailed
from swarmhub.plan import HOME_OWNER_ID, HOMES_DIRECTORY, MOUNT_POINT, PROBE_USER, STATE_MOUNT_POINT
from swarmhub.text import cloud_config
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.inventory import list_project
from tests.cloud.machines import Machine, find_machines, find_probe_token
from tests.cloud.students import Notebook
from tests.support.phases import Phases
from tests.support.stacks import dev_plan
from tests.support.waiting import wait_until

STUDENT = "grace.hopper"
FOLDER = "grace-2ehopper"
HOME = f"{HOMES_DIRECTORY}/{FOLDER}"
CONTAINER = f"$(docker ps --quiet --filter name=^user-{FOLDER})"
REBOOT_SECONDS = 300
START_FAILS_SECONDS = 150
BOOT_SECONDS = 400
VOLUME_SECONDS = 60
CLI_SECONDS = 120
# Small, so that the probe can write a home full in seconds.
QUOTA_GB, RAISED_GB = 0.1, 0.2
KEPT = {"home_quota_gb": QUOTA_GB, "keep_after_destroy": True}
STORAGE_MACHINE = {"storage": "s1.medium"}
EXPORT = "/srv/homes"

WRITE_FILES = """
for number in range(40):
    pathlib.Path(f"file-{number}").write_bytes(os.urandom(262144))
os.sync()
"""
# What a file server's clients count on: a line counts as written once its fsync has come back.
WRITE_AND_FSYNC = """
import os, pathlib, time
log = open("/tmp/written", "w", buffering=1)
with open(pathlib.Path.home() / "lines", "w") as file:
    for number in range(100000):
        file.write(f"{number}\\n")
        file.flush()
        os.fsync(file.fileno())
        log.write(f"{number}\\n")
        time.sleep(0.05)
"""
START_WRITING = f"""
import subprocess, sys
program = {WRITE_AND_FSYNC!r}
writer = subprocess.Popen([sys.executable, "-c", program], stderr=open("/tmp/write.log", "w"))
"""
STOP_WRITING = """
assert writer.poll() is None
writer.kill()
print(open("/tmp/write.log").read(), end="")
"""
FILL_IN_A_TERMINAL = """
import subprocess
done = subprocess.run(["bash", "-c", "head --bytes 300M /dev/zero >~/big"], capture_output=True, text=True)
print(done.stderr)
"""
HOME_GB = "home = os.statvfs('.'); print(home.f_blocks * home.f_frsize / 2**30)"
WRITTEN = f"docker exec {CONTAINER} cat /tmp/written"
STATE_OF_THE_HUB = f"""
cd {STATE_MOUNT_POINT}
sha256sum hub/jupyterhub_cookie_secret
find front-door/acme -path '*/accounts/*' -type f | sort | xargs sha256sum
stat -c '%n %u %a' hub front-door
python3 - <<'END'
import sqlite3
database = sqlite3.connect("file:hub/jupyterhub.sqlite?mode=ro", uri=True)
print(*database.execute("select name from users where name != '{PROBE_USER}' order by name"))
END
"""
CERTIFICATE = f"cat {STATE_MOUNT_POINT}/front-door/certificate/*.pem | sha256sum"
# A server that somebody else set up for machines of this network; how it is exported comes as options.
SERVE = """
printf '[nfsd]\\nvers3=n\\n' >/etc/nfs.conf.d/v4.conf
mkdir -p {directory}
echo "{directory} {network}({options})" >/etc/exports.d/homes.exports
systemctl start nfs-server
exportfs -ra
"""
# A volume that has been used for something else, by way of a machine that is there.
MAKE_FOREIGN = """
device=/dev/disk/by-id/virtio-{serial}
until [[ -b $device ]]; do sleep 1; done
mkfs.ext4 -q -F -L precious $device
sync $device
"""


class StorageCourse(Course):
    """One whose storage changes."""

    subject = "storage"

    def __init__(self, given: Surroundings) -> None:
        super().__init__(given)
        self.machines: dict[str, Machine] = {}
        self.configure({"size_gb": 2, **KEPT})

    def configure(self, section: dict[str, Any], **machines: Any) -> None:
        def change(config: dict[str, Any]) -> None:
            config["swarmhub:storage"] = section
            config["swarmhub:machines"] |= machines

        self.take(change)

    def change(self, operation: str, what: str, *options: str) -> Progress:
        if operation == "destroy":
            # Of an earlier stage that did not get as far as to lift it.
            self.stack.pulumi.ask("state", "unprotect", "--all", "--yes")
        progress = super().change(operation, what, *options)
        self.machines = find_machines(self.stack) if operation == "up" else {}
        return progress

    def bring(self, what: str, section: dict[str, Any], **machines: Any) -> Progress:
        """Bring the stack up with these settings, from wherever it is."""
        if self.servers and (self.prefix + "storage" in self.servers) != ("storage" in machines):
            self.change("destroy", f"destroy before: {what}")
        self.configure(section, **machines)
        return self.change("up", what)

    def refuse(self, operation: str, section: dict[str, Any], **machines: Any) -> list[str]:
        """What pulumi says when it does not do it."""
        self.configure(section, **machines)
        with pytest.raises(ChangeFailed) as failure:
            self.stack.change(operation)
        return list(failure.value.errors)

    @property
    def prefix(self) -> str:
        """What the names of the stack's resources begin with."""
        return f"swarmhub-{self.name}-"

    @property
    def servers(self) -> dict[str, Any]:
        """The stack's servers as the cloud has them."""
        found = self.connection.compute.servers()
        return {each.name: each for each in found if each.name.startswith(self.prefix)}

    def server(self, name: str) -> Any:
        """The cloud's server of a machine."""
        return self.servers[self.prefix + name]

    def address(self, name: str) -> str:
        """A machine's address inside the machines' network."""
        return inner_address(self.server(name))

    @property
    def volumes(self) -> dict[str, Any]:
        """The stack's volumes as the cloud has them, ``state`` and ``data``."""
        found = self.connection.block_storage.volumes()
        return {
            each.name.removeprefix(self.prefix): each for each in found if each.name.startswith(self.prefix)
        }

    def await_available(self, volume: Any) -> None:
        def status() -> str:
            return str(self.connection.block_storage.get_volume(volume).status)

        wait_until(lambda: status() == "available", seconds=VOLUME_SECONDS, what=status)

    def command_line(self, *words: str) -> str:
        """What `bin/swarmhub quota` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "live.cli", "quota", "--stack", self.name, *words],
            cwd=CHECKOUT,
            env=dict(self.stack.environment),
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        super().end()
        for volume in self.volumes.values():
            self.connection.block_storage.delete_volume(volume)


def inner_address(server: Any) -> str:
    return next(
        str(each["addr"])
        for addresses in server.addresses.values()
        for each in addresses
        if each["OS-EXT-IPS:type"] == "fixed"
    )


@pytest.fixture(scope="module")
def course(surroundings: Surroundings) -> Iterator[StorageCourse]:
    with ending(StorageCourse(surroundings)) as course:
        yield course


def checksums(machine: Machine) -> str:
    """What the student wrote, whose the home is, and who may enter it."""
    return machine.run(
        f"cd {HOME} && find . -type f -name 'file-*' | sort | xargs sha256sum; stat -c '%u:%g %a' .; "
        f"cat ../{FOLDER}_email.txt"
    )


def fail_to_start(course: StorageCourse) -> tuple[str, float]:
    """Start a server that cannot have its home; what its user is told, and after how many seconds."""
    outputs = course.stack.outputs()
    secrets = {"user_password": outputs["user_password"], "probe_token": find_probe_token(course.stack)}
    command = [sys.executable, "-m", "live.probe", "--url", outputs["url"], "--address", outputs["address"]]
    command += ["--user", PROBE_USER, "--ca-file", str(CLIENT / "issuer-root.pem")]
    done = subprocess.run(
        command, cwd=CHECKOUT, input=json.dumps(secrets), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1, done.stdout
    match = re.search(r"^probe: start server +([0-9.]+) s +failed$", done.stdout, re.MULTILINE)
    assert match, done.stdout + done.stderr
    return done.stderr, float(match[1])


def fail_to_start_without_nfs(course: StorageCourse, machine: str) -> tuple[str, float]:
    """The same while that machine's file server is stopped."""
    course.machines[machine].run("systemctl stop nfs-server")
    try:
        return fail_to_start(course)
    finally:
        course.machines[machine].run("systemctl start nfs-server")


@pytest.fixture(scope="module")
def storage_machine(course: StorageCourse) -> Machine:
    """The machine of the homes, outside the swarm."""
    course.bring("up with a storage machine", {"size_gb": 2, **KEPT}, **STORAGE_MACHINE)
    return course.machines["storage"]


@pytest.fixture(scope="module")
def notebook(course: StorageCourse, storage_machine: Machine, phases: Phases) -> Notebook:
    with phases.phase("storage: a student's server and kernel"):
        return Notebook.start(course.stack, STUDENT)


@pytest.fixture(scope="module")
def written(notebook: Notebook, storage_machine: Machine) -> str:
    """What the student wrote, as the storage machine has it."""
    notebook.run(WRITE_FILES)
    return checksums(storage_machine)


def test_a_storage_machine_holds_the_homes_and_nothing_else(
    course: StorageCourse, storage_machine: Machine, written: str
) -> None:
    assert written.count("file-") == 40
    assert written.splitlines()[-2:] == [f"{HOME_OWNER_ID}:{HOME_OWNER_ID} 700", STUDENT]
    nodes = course.machines["manager"].run("docker node ls --format '{{.Hostname}}'").split()
    assert sorted(nodes) == ["manager", "worker-1"]
    running = storage_machine.run("systemctl is-active docker nfs-server || true").split()
    assert running == ["inactive", "active"]
    assert "prjquota" in storage_machine.run(f"findmnt -n -o OPTIONS {MOUNT_POINT}")
    # Root of a machine that runs students' servers is nobody in their homes.
    mount = f"mount -t nfs4 {course.address('storage')}:{HOMES_DIRECTORY} /mnt"
    refused = course.machines["worker-1"].run(f"{mount}; touch /mnt/{FOLDER}/x 2>&1; umount /mnt")
    assert "Permission denied" in refused


def test_a_full_home_is_said_in_words_and_a_raised_quota_helps_at_once(
    course: StorageCourse, notebook: Notebook, written: str
) -> None:
    assert abs(float(notebook.run(HOME_GB)) - QUOTA_GB) < 0.001
    assert "No space left on device" in notebook.run(FILL_IN_A_TERMINAL)
    status, message = notebook.save("too-much.txt", "x" * 2_000_000)
    assert status == 507
    assert message.startswith("Your home is full: ")
    assert re.search(
        rf"^{STUDENT} +0\.10 +0\.10 +(99|100)% +storage\.home_quota_gb$", course.command_line(), re.M
    )
    assert f"The quota of {STUDENT} is now {RAISED_GB:g} GB" in course.command_line(
        "set", STUDENT, str(RAISED_GB)
    )
    assert abs(float(notebook.run(HOME_GB)) - RAISED_GB) < 0.001
    assert notebook.save("too-much.txt", "x" * 2_000_000) == (201, "")
    notebook.run("os.remove('big'); os.remove('too-much.txt')")
    assert re.search(rf"^{STUDENT} +0\.01 +0\.20 +5% +swarmhub quota set$", course.command_line(), re.M)


def test_writes_wait_for_a_storage_machine_that_was_reset(
    course: StorageCourse, notebook: Notebook, storage_machine: Machine, written: str, phases: Phases
) -> None:
    worker = course.machines["worker-1"]
    notebook.run(START_WRITING)
    worker.await_run(f"{WRITTEN} | wc -l", lambda said: int(said) > 50, 60)
    former_boot = storage_machine.run("cat /proc/sys/kernel/random/boot_id").strip()
    course.connection.compute.reboot_server(course.server("storage"), "HARD")
    reset = time.monotonic()
    # Until the server is there again nothing is written; then it goes on where it was.
    storage_machine.await_run(
        "cat /proc/sys/kernel/random/boot_id; systemctl is-active nfs-server || true",
        lambda said: former_boot not in said and said.split()[-1] == "active",
        REBOOT_SECONDS,
    )
    before = len(worker.run(WRITTEN).split())
    worker.await_run(f"{WRITTEN} | wc -l", lambda said: int(said) > before + 20, REBOOT_SECONDS)
    phases.seconds["storage: writes wait after a reset"] = time.monotonic() - reset
    assert notebook.run(STOP_WRITING) == ""
    acknowledged = worker.run(WRITTEN).split()
    on_disk = storage_machine.run(f"cat {HOME}/lines").split()
    assert on_disk[: len(acknowledged)] == acknowledged
    assert checksums(storage_machine) == written


def test_a_start_without_the_storage_machine_fails_soon_with_the_reason(
    course: StorageCourse, storage_machine: Machine, phases: Phases
) -> None:
    said, seconds = fail_to_start_without_nfs(course, "storage")
    phases.seconds["storage: a start without storage fails"] = seconds
    assert f"The home of {PROBE_USER} cannot be made" in said
    assert seconds < START_FAILS_SECONDS


@pytest.fixture(scope="module")
def grown(course: StorageCourse, written: str) -> Progress:
    """The stack with a larger volume, and protected."""
    return course.bring("up, volume grown", {"size_gb": 3, **KEPT, "protect": True}, **STORAGE_MACHINE)


def test_the_volume_grows_in_use(
    course: StorageCourse, grown: Progress, written: str, notebook: Notebook
) -> None:
    assert course.volumes["data"].size == 3
    blocks, size = course.machines["storage"].run(f"stat -f -c '%b %S' {MOUNT_POINT}").split()
    assert int(blocks) * int(size) > 2.8 * 1024**3
    assert checksums(course.machines["storage"]) == written
    assert grown.counts["updated"] == 2
    assert notebook.run("print(6 * 7)") == "42\n"


def test_a_protected_stack_is_not_destroyed(course: StorageCourse, grown: Progress) -> None:
    before = list_project(course.connection)
    errors = course.refuse("destroy", {"size_gb": 3, **KEPT, "protect": True}, **STORAGE_MACHINE)
    assert "protect" in " ".join(errors)
    assert list_project(course.connection) == before
    course.expect_no_changes()


def test_the_volume_does_not_shrink(course: StorageCourse, grown: Progress) -> None:
    [error] = course.refuse("up", {"size_gb": 2, **KEPT}, **STORAGE_MACHINE)
    assert error == (
        f"storage.size_gb: the volume swarmhub-{course.name}-data has 3 GB and cannot shrink to 2 GB. "
        "A volume only grows. Set storage.size_gb to at least 3."
    )


def test_homes_in_use_do_not_move_to_another_machine(course: StorageCourse, grown: Progress) -> None:
    [error] = course.refuse("up", {"size_gb": 3, **KEPT})
    assert error.startswith(
        f"machines.storage: the volume swarmhub-{course.name}-data is in use on the storage machine. "
    )


def test_replaced_machines_find_everything_again(
    course: StorageCourse, grown: Progress, written: str, notebook: Notebook
) -> None:
    servers = {name: course.server(name).id for name in ("manager", "storage", "worker-1")}
    hub = course.machines["manager"].run(STATE_OF_THE_HUB + CERTIFICATE)
    # The student's server runs on; it ends with the manager's swarm.
    course.bring(
        "up, manager and storage machine replaced",
        {"size_gb": 3, **KEPT},
        **STORAGE_MACHINE,
        reinstall={"manager": 1, "storage": 1},
    )
    assert course.server("manager").id != servers["manager"]
    assert course.server("storage").id != servers["storage"]
    assert course.server("worker-1").id == servers["worker-1"]
    assert checksums(course.machines["storage"]) == written
    assert course.machines["manager"].run(STATE_OF_THE_HUB + CERTIFICATE) == hub
    assert re.search(rf"^{STUDENT} +0\.01 +0\.20 +5% +swarmhub quota set$", course.command_line(), re.M)
    assert notebook.knows_me()
    assert not any(each.get("protect") for each in course.stack.pulumi.export()["deployment"]["resources"])
    nodes = course.machines["manager"].run("docker node ls --format '{{.Hostname}} {{.Status}}'").splitlines()
    assert sorted(nodes) == ["manager Ready", "worker-1 Ready"]
    course.expect_no_changes()


@pytest.fixture(scope="module")
def kept(course: StorageCourse, written: str) -> dict[str, str]:
    """What is to be found again after a destroy: the hub's state, and the volumes' ids by name."""
    known = {"hub": course.machines["manager"].run(STATE_OF_THE_HUB)}
    known |= {name: volume.id for name, volume in course.volumes.items()}
    course.change("destroy", "destroy, volumes kept")
    return known


def test_destroy_keeps_the_volumes_and_says_their_ids(course: StorageCourse, kept: dict[str, str]) -> None:
    assert list_project(course.connection) == [
        f"volume swarmhub-{course.name}-data",
        f"volume swarmhub-{course.name}-state",
    ]
    said = course.stack.log("destroy").read_text()
    assert all(f"({kept[name]})" in said for name in ("data", "state"))


@pytest.fixture(scope="module")
def on_manager(course: StorageCourse) -> StorageCourse:
    """The stack with homes on the manager, on the volume that was kept."""
    course.bring("up, homes on the manager", {"size_gb": 3, **KEPT})
    return course


def test_the_next_up_finds_the_volumes(kept: dict[str, str], on_manager: StorageCourse, written: str) -> None:
    manager = on_manager.machines["manager"]
    assert {name: volume.id for name, volume in on_manager.volumes.items()} == {
        name: kept[name] for name in ("data", "state")
    }
    assert checksums(manager) == written
    assert manager.run(STATE_OF_THE_HUB) == kept["hub"]
    assert re.search(rf"^{STUDENT} +0\.01 +0\.20 +5% +swarmhub quota set$", on_manager.command_line(), re.M)
    on_manager.expect_no_changes()


def test_a_start_without_the_managers_nfs_fails_with_the_reason(
    on_manager: StorageCourse, phases: Phases
) -> None:
    said, seconds = fail_to_start_without_nfs(on_manager, "manager")
    phases.seconds["storage: a start without the manager's NFS fails"] = seconds
    # Its worker refuses at once, or waits for the server if it still holds a file from before.
    assert re.search("fail(ed|s) to mount", said)
    assert seconds < START_FAILS_SECONDS


@pytest.fixture(scope="module")
def without_homes(course: StorageCourse) -> StorageCourse:
    course.bring("up without homes", {"kind": "none", "keep_after_destroy": False})
    return course


def test_without_homes_the_page_says_that_files_do_not_last(without_homes: StorageCourse) -> None:
    url = without_homes.stack.outputs()["url"]
    domain = url.removeprefix("https://")
    page = without_homes.machines["manager"].run(
        f"curl -sk --max-time 30 --resolve {domain}:443:127.0.0.1 {url}/hub/login"
    )
    assert "Files last only as long as your server runs" in page
    without_homes.expect_no_changes()


def test_a_manager_that_had_homes_lets_go_of_them(
    on_manager: StorageCourse, without_homes: StorageCourse
) -> None:
    manager = without_homes.machines["manager"]
    assert MOUNT_POINT not in manager.run("findmnt -n -l -o TARGET; cat /etc/fstab")
    running = manager.run("systemctl is-active nfs-server swarmhub-quota docker || true").split()
    assert running == ["inactive", "inactive", "active"]
    # What was kept stays, also when nothing uses it any more.
    assert without_homes.volumes["data"].status == "available"


@pytest.fixture
def file_server(without_homes: StorageCourse, phases: Phases) -> Iterator[tuple[Machine, str]]:
    """A machine of somebody else in the machines' network, and its address there."""
    course, connection = without_homes, without_homes.connection
    network = connection.network.find_network(f"swarmhub-{course.name}-network", ignore_missing=False)
    group = connection.network.create_security_group(name=f"files-{course.name}")
    for port in (22, 2049):
        connection.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            protocol="tcp",
            port_range_min=port,
            port_range_max=port,
            remote_ip_prefix="10.0.0.0/8",
        )
    public, _, private = run(["bash", "-c", MAKE_HOST_KEY]).partition("\n")
    plan = dev_plan(machines__storage="s1.large")
    assert plan.storage
    user_data = cloud_config(plan, plan.storage, "10.0.0.0/8", private, " ".join(public.split()[:2]))
    like = course.server("manager")
    server = connection.compute.create_server(
        name=f"files-{course.name}",
        flavor_id=connection.compute.find_flavor("s1.medium", ignore_missing=False).id,
        image_id=like.image.id,
        networks=[{"uuid": network.id}],
        security_groups=[{"name": group.name}],
        key_name=f"swarmhub-{course.name}",
        user_data=base64.b64encode(user_data.encode()).decode(),
    )
    try:
        with phases.phase("storage: a server of somebody else boots"):
            server = connection.compute.wait_for_server(server, wait=BOOT_SECONDS)
            manager = course.machines["manager"].reached
            reached = Manager(
                address=inner_address(server),
                user=manager.user,
                private_key_file=manager.private_key_file,
                host_key=" ".join(public.split()[:2]),
                through=manager,
            )
            machine = Machine(name="files", reached=reached)
            machine.await_run(f"test -e {FIRST_BOOT_RESULT}", lambda _said: True, BOOT_SECONDS)
        yield machine, reached.address
    finally:
        connection.compute.delete_server(server)
        connection.compute.wait_for_delete(server)
        connection.network.delete_security_group(group)


def serve(server: tuple[Machine, str], options: str) -> dict[str, Any]:
    """Have it export homes with these options; the stack's section about it."""
    machine, address = server
    machine.run(SERVE.format(directory=EXPORT, network="10.0.0.0/8", options=options))
    return {"kind": "nfs", "server": address, "export": EXPORT, "keep_after_destroy": False}


def test_homes_on_a_server_that_is_there_already(
    without_homes: StorageCourse, file_server: tuple[Machine, str]
) -> None:
    course, (machine, address) = without_homes, file_server
    said = " ".join(course.refuse("up", serve(file_server, "rw,sync,root_squash,no_subtree_check")))
    assert f"this machine may not make directories in {address}:{EXPORT} (Permission denied)" in said
    advice = f"rw,all_squash,anonuid={HOME_OWNER_ID},anongid={HOME_OWNER_ID}"
    assert f"give it to the account {HOME_OWNER_ID} there and export it with {advice}" in said
    machine.run(f"chown {HOME_OWNER_ID}:{HOME_OWNER_ID} {EXPORT}")
    course.bring("up, homes on a server of somebody else", serve(file_server, f"sync,{advice}"))
    # The probe has been there, and has gone with its home.
    assert f"homes at {address}" in course.stack.log("up").read_text()
    assert machine.run(f"ls -A {EXPORT}") == ""
    notebook = Notebook.start(course.stack, STUDENT)
    notebook.run("open('kept', 'w').write('kept')")
    listed = machine.run(
        f"cd {EXPORT} && stat -c '%n %u %a' {FOLDER} && cat {FOLDER}/kept {FOLDER}_email.txt"
    )
    assert listed == f"{FOLDER} {HOME_OWNER_ID} 700\nkept{STUDENT}\n"
    course.expect_no_changes()


def test_a_foreign_file_system_stops_everything(without_homes: StorageCourse) -> None:
    """The volume that was kept has been used for something else meanwhile."""
    course, storage = without_homes, without_homes.connection.block_storage
    volume = course.volumes.get("data") or storage.create_volume(
        name=f"swarmhub-{course.name}-data", size=3, metadata={"swarmhub_stack": course.name}
    )
    course.await_available(volume)
    worker = course.server("worker-1")
    course.connection.compute.create_volume_attachment(worker, volume_id=volume.id)
    course.machines["worker-1"].run(MAKE_FOREIGN.format(serial=volume.id[:20]))
    course.connection.compute.delete_volume_attachment(worker, volume.id)
    course.await_available(volume)
    section = {"size_gb": 3, "home_quota_gb": QUOTA_GB, "keep_after_destroy": False}
    said = " ".join(course.refuse("up", section))
    assert f"storage: the volume {volume.id} holds ext4. Only a blank or an XFS volume is used." in said
    label = course.machines["manager"].run(
        f"blkid -p -o value -s LABEL /dev/disk/by-id/virtio-{volume.id[:20]}"
    )
    assert label == "precious\n"


def test_destroy_without_keeping_leaves_nothing(course: StorageCourse, without_homes: StorageCourse) -> None:
    course.change("destroy", "destroy, nothing kept")
    assert list_project(course.connection) == []
