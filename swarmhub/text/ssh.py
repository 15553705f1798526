"""The options of an ssh command line that reaches one machine and believes no other."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence

# What an address of a Unix socket takes at most (sun_path) on macOS, four bytes less than on Linux, and what
# ssh appends to the name while it binds it.
SOCKET_NAME_BYTES = 103
BINDING_SUFFIX_BYTES = 17
# Longer than the Docker provider pauses between its looks at a service, so that none connects anew.
SHARED_CONNECTION_SECONDS = 15


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


def sharing_options(directory: str, host_key: str) -> list[str]:
    """Let sessions with the machine of that key use one connection, which outlives the last by some seconds.

    A connection costs half a dozen round trips and both ends' cryptography. ``directory`` holds the socket
    and must be the user's alone. No options where its path is too long for a socket.

    The connection is a process of its own: were it the first session's, as without ControlPersist, it would
    end with that one, and all others with it. Docker's client kills a session that it no longer needs.
    """
    socket = f"{directory}/swarmhub-{hashlib.sha256(host_key.encode()).hexdigest()[:8]}"
    if len(socket.encode()) + BINDING_SUFFIX_BYTES > SOCKET_NAME_BYTES:
        return []
    # ssh expands per cent signs in the path.
    return [
        *("-o", "ControlMaster=auto"),
        *("-o", f"ControlPersist={SHARED_CONNECTION_SECONDS}"),
        *("-o", f"ControlPath={socket.replace('%', '%%')}"),
    ]


def jump_options(jump: Sequence[str], address: str) -> list[str]:
    """Reach the address through the machine that the ssh command line ``jump`` reaches."""
    *options, target = jump
    command = shlex.join([*options, "-W", f"{address}:22", target])
    # ssh expands a per cent sign in the option; those of the inner command are for the inner ssh.
    return ["-o", f"ProxyCommand={command.replace('%', '%%')}"]
