"""Keys and secrets made once by the operator's machine and kept, encrypted, in the stack's state."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_command import local

MAKE_HOST_KEY = """set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
ssh-keygen -q -t ed25519 -N '' -C swarmhub -f "$directory/key"
cat "$directory/key.pub" "$directory/key"
"""
# No l, o, 0 or 1: people type these passwords from a slide.
MAKE_WORD = "LC_ALL=C tr -dc 'a-km-np-z2-9' </dev/urandom | head -c {characters}"
# What was made must not be made again because the text that made it was improved.
MADE_ONCE = ["create", "update", "interpreter", "dir", "environment", "logging", "addPreviousOutputInEnv"]


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """An ed25519 key pair of a machine's sshd."""

    public: pulumi.Output[str]
    private: pulumi.Output[str]


def _generate(name: str, command: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    made = local.Command(
        name,
        create=command,
        logging=local.Logging.NONE,
        opts=pulumi.ResourceOptions(
            parent=parent, additional_secret_outputs=["stdout"], ignore_changes=MADE_ONCE
        ),
    )
    return pulumi.Output.secret(made.stdout)


def generate_host_key(name: str, parent: pulumi.Resource) -> HostKey:
    """Make a machine's host key before the machine, so that its first connection can be verified."""
    both = _generate(name, MAKE_HOST_KEY, parent)
    return HostKey(
        # pulumi-command and known_hosts want type and key without the comment.
        public=pulumi.Output.unsecret(both.apply(lambda text: " ".join(text.splitlines()[0].split()[:2]))),
        private=both.apply(lambda text: text.partition("\n")[2].rstrip("\n") + "\n"),
    )


def generate_word(name: str, characters: int, parent: pulumi.Resource) -> pulumi.Output[str]:
    """Make a password or token of lower-case letters and digits, about 5 bits a character."""
    return _generate(name, MAKE_WORD.format(characters=characters), parent)
