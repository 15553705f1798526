"""Machines that are there already, with kernels of their own: homes on a device, in a directory, and the end.

Somebody else has made the machines, their network and a disk, by OpenStack's client alone. A stack comes,
goes with its homes kept, comes back, goes with nothing kept, and comes back to a directory of its operator's.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from components.generated import MAKE_HOST_KEY
from live.deployment import Manager
from rehearsal.host import run
from rehearsal.inside import EXTERNAL_NETWORK, GUEST_IMAGE
from rehearsal.network import HOST_ADDRESS, name_of
from scripts.stack import ChangeFailed
from swarmhub.plan import HOMES_DIRECTORY, MOUNT_POINT
from tests.cloud.conftest import Surroundings
from tests.cloud.course import Course, ending
from tests.cloud.inventory import list_project
from tests.cloud.machines import Machine
from tests.cloud.students import Notebook
from tests.support.machine_inventory import Inventory, look
from tests.support.phases import Phases

NAME = "somebody-elses"
CIDR = "10.88.0.0/24"
FLAVORS = {"manager": "s1.large", "worker": "r1.medium"}
USER = "debian"
DISK_GB = 2
DEVICE = "/dev/vdb"
DIRECTORY = "/srv/disk/homes"
BOOT_SECONDS = 400
STUDENT = "grace"
STATE = "/var/lib/swarmhub/state"
WRITE = """
for number in range(20):
    pathlib.Path(f"file-{number}").write_bytes(os.urandom(100000))
"""
CHECKSUMS = f"""
find {STUDENT} -type f -name 'file-*' | sort | xargs sha256sum
stat -c '%n %u:%g %a' {STUDENT}
cat {STUDENT}_email.txt
"""


@dataclass(kw_only=True)
class Machines:
    """The machines by their names, and how they were before a stack came."""

    by_name: dict[str, Machine]
    addresses: dict[str, str]
    public_address: str
    key_file: Path
    before: dict[str, Inventory] = field(default_factory=dict)

    def look(self) -> dict[str, Inventory]:
        return {name: look(machine.run) for name, machine in self.by_name.items()}

    def differences(self) -> list[str]:
        """What is there that was not, or no longer."""
        now = self.look()
        return [f"{name}: {line}" for name in now for line in self.before[name].differences(now[name])]


def user_data(host_key: str) -> str:
    public, _, private = host_key.partition("\n")
    keys = {"ed25519_private": private.rstrip("\n") + "\n", "ed25519_public": public}
    text = "#cloud-config\n" + json.dumps({"ssh_keys": keys})
    return base64.b64encode(text.encode()).decode()


@contextmanager
def bare_machines(connection: Connection, key_file: Path) -> Iterator[Machines]:
    """Make the machines and all that they need, and delete it in the end."""
    compute, network = connection.compute, connection.network
    with ExitStack() as stack:

        def made(thing: Any, delete: Callable[[Any], object]) -> Any:
            stack.callback(delete, thing)
            return thing

        public_key = key_file.with_suffix(".pub").read_text()
        made(compute.create_keypair(name=NAME, public_key=public_key), compute.delete_keypair)
        group = made(network.create_security_group(name=NAME), network.delete_security_group)
        own: list[dict[str, Any]] = [{"remote_group_id": group.id}]
        for rule in own + [
            {"protocol": "tcp", "port_range_min": port, "port_range_max": port} for port in (22, 80, 443)
        ]:
            network.create_security_group_rule(security_group_id=group.id, direction="ingress", **rule)
        inner = made(network.create_network(name=NAME), network.delete_network)
        subnet = made(
            network.create_subnet(
                name=NAME, network_id=inner.id, ip_version=4, cidr=CIDR, dns_nameservers=[HOST_ADDRESS]
            ),
            network.delete_subnet,
        )
        outer = network.find_network(EXTERNAL_NETWORK, ignore_missing=False)
        router = made(
            network.create_router(name=NAME, external_gateway_info={"network_id": outer.id}),
            network.delete_router,
        )
        network.add_interface_to_router(router, subnet=subnet)
        stack.callback(network.remove_interface_from_router, router, subnet=subnet)

        host_keys = {name: run(["bash", "-c", MAKE_HOST_KEY]) for name in FLAVORS}
        image = connection.image.find_image(GUEST_IMAGE, ignore_missing=False)
        servers = {}
        for name, flavor in FLAVORS.items():
            servers[name] = made(
                compute.create_server(
                    name=f"{NAME}-{name}",
                    flavor_id=compute.find_flavor(flavor, ignore_missing=False).id,
                    image_id=image.id,
                    networks=[{"uuid": inner.id}],
                    security_groups=[{"name": NAME}],
                    key_name=NAME,
                    user_data=user_data(host_keys[name]),
                ),
                lambda server: delete_server(connection, server),
            )
        servers = {
            name: compute.wait_for_server(server, wait=BOOT_SECONDS) for name, server in servers.items()
        }
        addresses = {name: server.addresses[NAME][0]["addr"] for name, server in servers.items()}
        port = next(network.ports(device_id=servers["manager"].id))
        floating = made(network.create_ip(floating_network_id=outer.id, port_id=port.id), network.delete_ip)
        disk = made(
            connection.block_storage.create_volume(name=NAME, size=DISK_GB),
            lambda volume: delete_volume(connection, volume),
        )
        connection.block_storage.wait_for_status(disk, status="available")
        compute.create_volume_attachment(servers["manager"], volume_id=disk.id)
        stack.callback(compute.delete_volume_attachment, servers["manager"], disk.id)

        reached: dict[str, Manager] = {}
        for name in FLAVORS:
            through = reached.get("manager")
            reached[name] = Manager(
                address=addresses[name] if through else str(floating.floating_ip_address),
                user=USER,
                private_key_file=str(key_file),
                host_key=" ".join(host_keys[name].split()[:2]),
                through=through,
            )
        machines = Machines(
            by_name={name: Machine(name=name, reached=each) for name, each in reached.items()},
            addresses=addresses,
            public_address=str(floating.floating_ip_address),
            key_file=key_file,
        )
        for machine in machines.by_name.values():
            machine.await_run("cloud-init status --wait; echo up", lambda said: "up" in said, BOOT_SECONDS)
        machines.by_name["manager"].await_run(f"test -b {DEVICE}; echo $?", lambda said: said == "0\n", 60)
        yield machines


def delete_server(connection: Connection, server: Any) -> None:
    connection.compute.delete_server(server)
    connection.compute.wait_for_delete(server)


def delete_volume(connection: Connection, volume: Any) -> None:
    storage = connection.block_storage
    storage.wait_for_status(storage.get_volume(volume.id), status="available")
    storage.delete_volume(volume)
    storage.wait_for_delete(volume)


class MachinesCourse(Course):
    """One whose storage changes."""

    subject = "machines"

    def __init__(self, given: Surroundings, machines: Machines) -> None:
        super().__init__(given)
        self.machines = machines
        self.configure({"kind": "none"})

    def configure(self, storage: dict[str, Any]) -> None:
        machines = self.machines

        def host(name: str, **more: str) -> dict[str, str]:
            key = machines.by_name[name].reached.host_key
            return {"address": machines.addresses[name], "host_key": key, **more}

        def change(config: dict[str, Any]) -> None:
            config["swarmhub:site"] = {
                "kind": "existing",
                "ssh_user": USER,
                "private_key_file": str(machines.key_file),
                "subnet_cidr": CIDR,
                "name_server": config["swarmhub:site"]["name_server"],
            }
            config["swarmhub:machines"] = {
                "hosts": {
                    "manager": host("manager", public_address=machines.public_address),
                    "workers": [host("worker")],
                }
            }
            config["swarmhub:storage"] = {"keep_after_destroy": False, **storage}
            config["swarmhub:hub"]["domain"] = name_of(machines.public_address)

        self.take(change)

    def on_manager(self, script: str) -> str:
        return self.machines.by_name["manager"].run(script)


def on_device(*, keep: bool) -> dict[str, Any]:
    return {"kind": "device", "device": DEVICE, "home_quota_gb": 0.1, "keep_after_destroy": keep}


@pytest.fixture(scope="module")
def machines(
    connection: Connection, phases: Phases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    key_file = tmp_path_factory.mktemp("ssh") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key_file], check=True)
    begin = time.monotonic()
    with bare_machines(connection, key_file) as made:
        # Docker answers from the first question on, which starts it.
        made.look()
        made.before = made.look()
        phases.seconds["machines: they boot"] = time.monotonic() - begin
        yield made
    assert list_project(connection) == []


@pytest.fixture(scope="module")
def course(surroundings: Surroundings, machines: Machines) -> Iterator[MachinesCourse]:
    with ending(MachinesCourse(surroundings, machines)) as course:
        yield course


@pytest.fixture(scope="module")
def written(course: MachinesCourse) -> str:
    """Up with homes on the disk; what a student wrote there."""
    course.configure(on_device(keep=True))
    course.change("up", "up with homes on a blank disk")
    Notebook.start(course.stack, STUDENT).run(WRITE)
    return course.on_manager(f"cd {HOMES_DIRECTORY}\n{CHECKSUMS}")


def test_a_disk_that_holds_something_else_is_refused(course: MachinesCourse) -> None:
    course.on_manager(f"mkfs.ext4 -q -L precious {DEVICE}")
    course.configure(on_device(keep=True))
    with pytest.raises(ChangeFailed) as failure:
        course.stack.change("up")
    assert "holds ext4" in " ".join(failure.value.errors)
    assert course.stack.count_resources() == 0
    assert course.on_manager(f"blkid -p -o value -s LABEL {DEVICE}") == "precious\n"
    course.on_manager(f"wipefs --all --quiet {DEVICE}; dd if=/dev/zero of={DEVICE} bs=1M status=none || true")


def test_homes_are_on_the_disk_and_have_quotas(course: MachinesCourse, written: str) -> None:
    assert written.count("file-") == 20
    assert written.splitlines()[-2:] == ["grace 1000:1000 700", "grace"]
    source = course.on_manager(f"findmnt -n -o SOURCE,FSTYPE,OPTIONS {MOUNT_POINT}").split()
    assert source[:2] == [DEVICE, "xfs"]
    assert "prjquota" in source[2]
    log = course.stack.log("up").read_text()
    assert "of 0.1 GB, removed" in log
    course.expect_no_changes()


def test_destroy_keeps_the_homes_and_nothing_else(course: MachinesCourse, written: str) -> None:
    course.change("destroy", "destroy, homes kept")
    assert [line for line in course.machines.differences() if STATE not in line] == []
    course.on_manager(f"mount -o ro {DEVICE} /mnt")
    try:
        assert course.on_manager(f"cd /mnt/homes\n{CHECKSUMS}") == written
    finally:
        course.on_manager("umount /mnt")


def test_the_next_up_takes_them_up_again(course: MachinesCourse, written: str) -> None:
    course.configure(on_device(keep=False))
    course.change("up", "up with the homes of before")
    assert course.on_manager(f"cd {HOMES_DIRECTORY}\n{CHECKSUMS}") == written
    assert (
        Notebook.start(course.stack, STUDENT).run(
            "print(max(int(each.stem.rpartition('-')[2]) for each in pathlib.Path().glob('file-*')))"
        )
        == "19\n"
    )


def test_destroy_without_keeping_leaves_the_machines_as_they_were(
    course: MachinesCourse, written: str
) -> None:
    course.change("destroy", "destroy, nothing kept")
    assert course.machines.differences() == []
    course.on_manager(f"mount -o ro {DEVICE} /mnt")
    try:
        assert course.on_manager("find /mnt/homes -name 'file-*' 2>/dev/null || true") == ""
    finally:
        course.on_manager("umount /mnt")


def test_homes_in_a_directory_of_the_operators_have_quotas_too(course: MachinesCourse) -> None:
    course.on_manager(
        f"mkdir -p {Path(DIRECTORY).parent} && mount -o pquota {DEVICE} {Path(DIRECTORY).parent} && "
        f"mkdir -p {DIRECTORY} && echo mine >{DIRECTORY}/theirs"
    )
    course.configure({"kind": "directory", "directory": DIRECTORY, "home_quota_gb": 0.1})
    course.change("up", "up with homes in a directory")
    assert "of 0.1 GB, removed" in course.stack.log("up").read_text()
    Notebook.start(course.stack, STUDENT).run(WRITE)
    assert course.on_manager(f"ls {DIRECTORY}/homes/{STUDENT}").count("file-") == 20
    course.change("destroy", "destroy, homes in a directory")
    assert course.on_manager(f"find {DIRECTORY} -type f") == f"{DIRECTORY}/theirs\n"
    course.on_manager(f"umount {Path(DIRECTORY).parent}")
