"""The options of an ssh command line that reaches one machine and believes no other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

# sun_path of unix(7); ssh replaces %C by a SHA-1, and makes the socket under a name with a random suffix.
SOCKET_PATH_BYTES = 108
HASH_CHARACTERS = 40
SUFFIX_CHARACTERS = 17
# The shared connection ends by itself so long after the last session.
PERSIST_SECONDS = 20


def ssh_options(private_key_file: str, host_key: str) -> list[str]:
    """Offer this key alone; accept that host key alone, given as in a ``.pub`` file without its comment."""
    return [
        *("-i", private_key_file),
        *("-o", "IdentitiesOnly=yes"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "UserKnownHostsFile=/dev/null"),
        *("-o", "GlobalKnownHostsFile=/dev/null"),
        *("-o", f"KnownHostsCommand=/bin/echo %H {host_key}"),
    ]


def jump_options(jump: Sequence[str], address: str) -> list[str]:
    """Reach the address through the machine that the ssh command line ``jump`` reaches."""
    *options, target = jump
    command = shlex.join([*options, "-W", f"{address}:22", target])
    # ssh expands a per cent sign in the option; those of the inner command are for the inner ssh.
    return ["-o", f"ProxyCommand={command.replace('%', '%%')}"]


def sharing_options(private_key_file: str) -> list[str]:
    """Let a deployment's many short sessions share a connection, whose handshake is most of their time.

    The socket lies beside the key, in a directory that its owner alone enters; where that path is too long
    for a socket's name there is no sharing.
    """
    socket = PurePosixPath(private_key_file).with_name("%C")
    if len(str(socket)) - len("%C") + HASH_CHARACTERS + SUFFIX_CHARACTERS >= SOCKET_PATH_BYTES:
        return []
    return [
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPath={socket}"),
        *("-o", f"ControlPersist={PERSIST_SECONDS}"),
    ]
