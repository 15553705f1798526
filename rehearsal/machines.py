"""Machines with systemd, sshd and Docker on this machine, without emulation, as somebody might own them.

Each is a set of namespaces with the guest's root file system, an address of its own, a network that leads
to this machine, and the container images that were built. An account may use sudo. All of it ends with the
process that started it. What it cannot show, as the kernel may lack it: NFS and project quotas.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehearsal import guest_root, paths
from rehearsal.host import lock, run, system_environment, wait_for
from rehearsal.native_swarm import (
    Node,
    Rig,
    child_of,
    clean_up,
    connect,
    end,
)

RIG = Rig(
    what="machines",
    directory=paths.REHEARSAL / "machines",
    enter=Path(__file__).with_name("enter-machine.sh"),
    network_prefix="10.76.0",
    host_interface="swarmhub-m",
    cgroup="swarmhub-machines",
)
USER = "ops"
START_TIMEOUT_SECONDS = 90


def _start(number: int, store: Path, public_key: str) -> Node:
    name = f"machine-{number}"
    directory = RIG.directory / name
    directory.mkdir(parents=True)
    # Layers are only read; what Docker changes it replaces.
    run(["cp", "-al", store, directory / "docker"])
    (directory / "authorized_keys").write_text(public_key)
    log = directory / "systemd.log"
    with log.open("ab") as sink:
        keeper = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "sh", str(RIG.enter)),
                *(str(guest_root.SPEC.directory), str(directory), name, RIG.cgroup, USER),
            ],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env=system_environment(),
            start_new_session=True,
            cwd="/",
        )
    try:
        wait_for(
            f"namespaces of {name}",
            lambda: child_of(keeper),
            log=log,
            timeout_seconds=10,
            interval_seconds=0.02,
            while_true=lambda: keeper.poll() is None,
        )
    except BaseException:
        end(keeper)
        raise
    return Node(
        name=name,
        address=RIG.address(number),
        directory=directory,
        keeper=keeper,
        pid=child_of(keeper),
    )


def host_key(machine: Node) -> str:
    """The public ed25519 key of the machine's sshd, which has others too."""
    return (machine.directory / "host-key.pub").read_text().strip()


def _is_up(machine: Node) -> bool:
    try:
        return (
            machine.run("systemctl", "is-active", "ssh.service", "docker.service").split() == ["active"] * 2
        )
    except Exception:
        return False


@contextmanager
def running_machines(store: Path, count: int, public_key: str) -> Iterator[Sequence[Node]]:
    """Have machines that admit a key for the account USER; their systemd's logs are in the rig's directory.

    Raises UserError when some run already or one does not come up. ``store`` must be on its disk.
    """
    with lock(RIG.lock, RIG.what):
        clean_up(RIG)
        machines: list[Node] = []
        try:
            for number in range(1, count + 1):
                machines.append(_start(number, store, public_key))
            connect(machines, RIG)
            for machine in machines:
                machine.in_network("ip", "route", "add", "default", "via", RIG.host_address)
                assert machine.keeper.stdin is not None
                machine.keeper.stdin.write(b"\n")
                machine.keeper.stdin.close()
            for machine in machines:
                wait_for(
                    f"ssh and Docker of {machine.name}",
                    lambda machine=machine: _is_up(machine),  # type: ignore[misc]
                    log=machine.directory / "systemd.log",
                    timeout_seconds=START_TIMEOUT_SECONDS,
                    interval_seconds=0.5,
                    while_true=lambda machine=machine: machine.keeper.poll() is None,  # type: ignore[misc]
                )
            yield tuple(machines)
        finally:
            for machine in machines:
                end(machine.keeper)
            clean_up(RIG)
