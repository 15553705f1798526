"""Steps for existing machines that no whole stack runs here, for want of NFS and quotas in the kernel."""

from __future__ import annotations

import pytest

from rehearsal.host import CommandFailed
from rehearsal.native_swarm import Node
from swarmhub.plan import MOUNT_POINT
from swarmhub.text import script
from tests.existing.conftest import Lab
from tests.existing.looking import take_inventory


def run(machine: Node, name: str, *arguments: str) -> str:
    return machine.run("env", "CHANGED_FILES=", "bash", "-c", script(name), name, *arguments)


def test_a_directory_is_at_the_place_of_homes_and_another_takes_its_place(lab: Lab) -> None:
    machine = lab.machines[2]
    user = "nfs-server.service"
    for directory in ("/srv/first", "/srv/first", "/srv/second"):
        run(machine, "ensure-directory.sh", directory, MOUNT_POINT, user)
        machine.run("touch", f"{MOUNT_POINT}/mark")
        machine.run("test", "-e", f"{directory}/mark")
    entries = machine.run("grep", "-c", MOUNT_POINT, "/etc/fstab").strip()
    assert entries == "1"
    assert f"{user}" in machine.run("systemctl", "show", "--property=RequiredBy", "var-nfs.mount")
    with pytest.raises(CommandFailed, match="/srv/first/mark is no directory"):
        run(machine, "ensure-directory.sh", "/srv/first/mark", MOUNT_POINT, user)


@pytest.mark.parametrize(("data", "stays"), [("keep", True), ("erase", False)])
def test_only_what_the_stack_made_in_a_directory_is_erased(lab: Lab, data: str, stays: bool) -> None:
    machine = lab.machines[2]
    machine.run(
        "bash",
        "-c",
        "umount -q /var/nfs; sed -i '/nfs/d' /etc/fstab; rm -rf /var/nfs; systemctl daemon-reload",
    )
    before = take_inventory(machine)
    machine.run("mkdir", "-p", "/opt/swarmhub", "/etc/swarmhub")
    machine.run("bash", "-c", f"cat >/opt/swarmhub/bootstrap.sh <<'END'\n{script('bootstrap.sh')}\nEND")
    machine.run("chmod", "0755", "/opt/swarmhub/bootstrap.sh")
    machine.run("bash", "-c", "echo swarmhub-dev >/etc/swarmhub/stack")
    for _ in range(2):
        run(machine, "prepare-machine.sh", "ops", "storage")
    run(machine, "ensure-directory.sh", "/srv/homes-of-ours", MOUNT_POINT, "nfs-server.service")
    for made in ("homes/ada/notebook", "theirs"):
        machine.run("install", "-D", "/dev/null", f"{MOUNT_POINT}/{made}")
    for _ in range(2):
        run(machine, "restore-machine.sh", data, MOUNT_POINT)
    left = machine.run("find", "/srv/homes-of-ours", "-type", "f").split()
    assert ("/srv/homes-of-ours/homes/ada/notebook" in left) is stays
    assert "/srv/homes-of-ours/theirs" in left
    assert before.differences(take_inventory(machine)) == []
    machine.run("rm", "-rf", "/srv/homes-of-ours")
