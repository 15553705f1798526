"""Lets go of a machine's volumes in good order before the machine is replaced on purpose."""

from __future__ import annotations

import shlex

import pulumi
from pulumi_command import local

from components.remote_host import OperatorKey, RemoteHost
from swarmhub import plan as planned
from swarmhub.text import jump_options, script, ssh_options

CONNECT_SECONDS = 15
RELEASE_SECONDS = 180


def _ssh(user: str, key: OperatorKey, address: str, host_key: str, jump: tuple[str, str] | None) -> str:
    """The command line of an ssh that believes the generated host keys alone, of the jump host too."""
    options = [*ssh_options(key.private_file, host_key), "-o", "BatchMode=yes"]
    options += ["-o", f"ConnectTimeout={CONNECT_SECONDS}", "-o", "LogLevel=ERROR"]
    if jump:
        inner = ["ssh", *ssh_options(key.private_file, jump[1]), f"{user}@{jump[0]}"]
        options += jump_options(inner, address)
    return shlex.join(["ssh", *options, f"{user}@{address}", "sudo -n bash -s"])


def release_volumes(
    name: str,
    machine: planned.Machine,
    user: str,
    key: OperatorKey,
    address: pulumi.Output[str],
    host_key: pulumi.Output[str],
    through: RemoteHost | None,
    parent: pulumi.Resource,
) -> local.Command:
    """Stop what uses the volumes and unmount them, when the machine's ``reinstall`` number has changed.

    Pulumi detaches a replaced machine's volumes while it still runs, and this is done before. A machine that
    cannot be reached is replaced all the same: the journals of its file systems are what is left then.
    """
    jump = pulumi.Output.all(through.address, through.host_public_key) if through else None
    ssh = pulumi.Output.all(address, host_key, jump).apply(
        lambda parts: _ssh(user, key, parts[0], parts[1], tuple(parts[2]) if parts[2] else None)
    )
    # An update for any other reason, such as a better text of this command, must not stop a machine in use.
    update = ssh.apply(
        lambda command: (
            f'if [ "$PULUMI_COMMAND_STDOUT" != "$REINSTALL" ]; then timeout {RELEASE_SECONDS} {command} >&2 '
            f'|| echo "{machine.name}: its volumes could not be released; it is replaced without" >&2; fi; '
            "printf %s $REINSTALL"
        )
    )
    return local.Command(
        name,
        create="printf %s $REINSTALL",
        update=update,
        environment={"REINSTALL": str(machine.reinstall)},
        stdin=script("release-volumes.sh"),
        opts=pulumi.ResourceOptions(parent=parent),
    )
