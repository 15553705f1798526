"""The options of an ssh command line that reaches one machine and believes no other."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


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
