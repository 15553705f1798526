"""The options of an ssh command line that reaches one machine and believes no other."""

from __future__ import annotations


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
