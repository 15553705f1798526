"""A deployed stack as the operator's machine finds it: its outputs, and scripts run on its manager."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from live.pulumi import ask, selected_stack
from swarmhub.errors import Finding, UserError
from swarmhub.text import jump_options, ssh_options

CONNECT_SECONDS = 15
SCRIPT_SECONDS = 120
# What ssh itself answers with when it could not connect; no script of ours ends so.
SSH_FAILED = 255


@dataclass(frozen=True, kw_only=True)
class Manager:
    """How the manager is reached: only the host key that its machine was given is accepted.

    Another machine of the stack is reached ``through`` it.
    """

    address: str
    user: str
    private_key_file: str
    host_key: str
    through: Manager | None = None

    @classmethod
    def read(cls, output: Mapping[str, str], through: Manager | None = None) -> Manager:
        """Take it from the stack's output ``manager`` or ``storage``."""
        names = ("address", "user", "private_key_file", "host_key")
        return cls(**{name: output[name] for name in names}, through=through)

    def ssh(self) -> list[str]:
        """The words of an ssh command line, up to what is to run."""
        return [
            "ssh",
            *ssh_options(self.private_key_file, self.host_key),
            *(jump_options(self.through.ssh(), self.address) if self.through else []),
            f"{self.user}@{self.address}",
        ]

    def line(self) -> str:
        """What a person types to get there; the generated host key is known, so nothing is asked."""
        if self.through:
            return shlex.join(self.ssh())
        known_host = f"KnownHostsCommand=/bin/echo %H {self.host_key}"
        return shlex.join(
            ["ssh", "-i", self.private_key_file, "-o", known_host, f"{self.user}@{self.address}"]
        )

    def run(
        self,
        command: Sequence[str],
        *,
        input_text: str = "",
        timeout_seconds: float = SCRIPT_SECONDS,
    ) -> str:
        """Run a command as root and return what it prints. Raises UserError with its last words."""
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}", "-o", "LogLevel=ERROR"]
        program, *rest = self.ssh()
        try:
            done = subprocess.run(
                [program, *options, *rest, shlex.join(["sudo", "-n", *command])],
                input=input_text,
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
            )
        except subprocess.TimeoutExpired:
            raise self._failure(f"{command[0]} was not done after {timeout_seconds:.0f} s") from None
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[
                -1
            ]
            reached = "" if done.returncode == SSH_FAILED else f"{command[0]} failed there: "
            raise self._failure(f"{reached}{last}")
        return done.stdout

    def _failure(self, problem: str) -> UserError:
        finding = Finding(
            where=f"{'storage machine' if self.through else 'manager'} {self.address}",
            problem=problem,
            remedy=f"Look at the machine: {self.line()}",
        )
        return UserError([finding])


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A stack that is up, by its outputs (secrets in plain)."""

    stack: str
    outputs: Mapping[str, Any]

    @property
    def manager(self) -> Manager:
        return Manager.read(self.outputs["manager"])

    @property
    def storage(self) -> Manager | None:
        """The machine with the homes' volume, the manager or another; None when the stack has no such."""
        if "storage" not in self.outputs:
            return None
        if self.outputs["storage"] == self.outputs["manager"]:
            return self.manager
        return Manager.read(self.outputs["storage"], through=self.manager)


def read_deployment(stack: str | None) -> Deployment:
    """Ask Pulumi for the outputs of a stack, the selected one when none is named.

    Raises UserError when Pulumi does not answer or the stack is not up.
    """
    name = stack or selected_stack()
    outputs = json.loads(ask(["stack", "output", "--json", "--show-secrets", "--stack", name]))
    if "manager" not in outputs:
        finding = Finding(
            where=f"stack {name}",
            problem="it is not up",
            remedy=f"Run pulumi up --stack {name}, or name another with --stack (pulumi stack ls lists them)",
        )
        raise UserError([finding])
    return Deployment(stack=name, outputs=outputs)
