"""The ground of a workshop on machines that are there already, and how they become again what they were."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.ground import Ground
from components.remote_host import Life, OperatorKey, RemoteHost
from swarmhub import plan as planned
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, HUB_STATE_DIRECTORY, MOUNT_POINT, Plan
from swarmhub.text import existing_machine_files, members_files

# A machine that is there answers at once or is down: there is no boot to wait for.
DIALS = 6
INSTALL_SECONDS = 900
CAN_BECOME_ROOT = """
sudo -n true || {
  echo "this account may not use sudo without a password. Allow it: its-name ALL=(ALL) NOPASSWD: ALL" >&2
  exit 1
}
"""


class GivenNetwork:
    """The network that existing machines are on already."""

    def __init__(self, plan: planned.Network) -> None:
        if plan.existing is None:
            raise ValueError("a plan for existing machines without their network")
        self.subnet_cidr = plan.subnet_cidr
        self.mtu: pulumi.Output[int] = pulumi.Output.from_input(plan.existing.mtu)


class ExistingMachine(pulumi.ComponentResource):
    """A machine prepared as a cloud's first boot prepares one; see components.ground.Machine.

    What was prepared is undone when the stack is destroyed, when the machine leaves it, or when another
    address makes it another machine; all else that the stack put there is gone then too.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: Plan,
        machine: planned.Machine,
        key: OperatorKey,
        through: RemoteHost | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:existing:ExistingMachine", name, None, opts)
        if machine.host is None:
            raise ValueError(f"{name} is no existing machine")
        self.plan = machine
        host = machine.host
        self.address = pulumi.Output.from_input(host.address)
        self.reached_at = pulumi.Output.from_input(host.reached_at)
        self.identity = self.address
        self.life = Life(host.address)
        self.host = RemoteHost(
            name,
            address=host.reached_at,
            user=plan.ssh_user,
            key=key,
            host_public_key=host.host_key,
            parent=self,
            life=self.life,
            reachable_after=[],
            through=through if plan.through_manager else None,
            awaiting=CAN_BECOME_ROOT,
            dial_limit=DIALS,
        )
        keep = "keep" if plan.settings.storage.keep_after_destroy else "erase"
        prepared = self.host.run(
            f"{name}-prepared-{host.address}",
            steps=["prepare-machine.sh"],
            arguments=[plan.ssh_user, machine.role],
            files=existing_machine_files(plan),
            removal="restore-machine.sh",
            removal_arguments=[keep, MOUNT_POINT],
            limit_seconds=INSTALL_SECONDS,
            parent=self,
        )
        self.life.begin(prepared)
        # Before anything listens.
        self.host.ready = self.host.run(
            f"{name}-members",
            steps=["ensure-members.sh"],
            files=members_files(plan),
            depends_on=[prepared],
            parent=self,
        )
        self.register_outputs({"address": self.address})


class Directories(pulumi.ComponentResource):
    """Directories for root alone on the machine's own disk."""

    def __init__(
        self,
        name: str,
        *,
        machine: ExistingMachine,
        directories: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:existing:Directories", name, None, opts)
        self.ready: pulumi.Resource = machine.host.run(
            f"{name}-directories",
            steps=["ensure-directories.sh"],
            arguments=list(directories),
            parent=self,
        )
        self.register_outputs({})


class HomesPlace(pulumi.ComponentResource):
    """The device or directory that holds homes, at the mount point of a cloud's volume."""

    def __init__(
        self,
        name: str,
        *,
        place: planned.Place,
        machine: ExistingMachine,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:existing:HomesPlace", name, None, opts)
        user = "nfs-server.service" if machine.plan.role is planned.Role.STORAGE else "docker.service"
        self.ready: pulumi.Resource = (
            machine.host.run(
                f"{name}-file-system",
                steps=["ensure-volume.sh"],
                # Of whatever size it is.
                arguments=[place.device, "0", MOUNT_POINT, user],
                parent=self,
            )
            if place.device
            else machine.host.run(
                f"{name}-directory",
                steps=["ensure-directory.sh"],
                arguments=[place.directory or "", MOUNT_POINT, user],
                parent=self,
            )
        )
        self.register_outputs({})


def find_ground(plan: Plan, key: OperatorKey, parent: pulumi.Resource) -> Ground:
    """Prepare the machines that the plan names."""
    child = pulumi.ResourceOptions(parent=parent)
    manager = ExistingMachine("manager", plan=plan, machine=plan.manager, key=key, opts=child)

    def other(machine: planned.Machine) -> ExistingMachine:
        return ExistingMachine(
            machine.name, plan=plan, machine=machine, key=key, through=manager.host, opts=child
        )

    storage = other(plan.storage) if plan.storage else None
    return Ground(
        network=GivenNetwork(plan.network),
        manager=manager,
        workers=[other(worker) for worker in plan.workers],
        storage=storage,
        state=Directories(
            "state",
            machine=manager,
            directories=[HUB_STATE_DIRECTORY, FRONT_DOOR_STATE_DIRECTORY],
            opts=child,
        ),
        data=HomesPlace("data", place=plan.place, machine=storage or manager, opts=child)
        if plan.place
        else None,
        volumes={},
    )
