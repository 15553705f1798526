"""The machines of a deployed stack, each by an ssh that believes only the host key it was given."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from typing import Any

from live.deployment import Manager
from scripts.stack import Stack
from swarmhub.text import ssh_options

SCRIPT_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine by its name in the stack; ``through`` is the ssh command line of its jump host."""

    name: str
    address: str
    user: str
    host_key: str
    private_key_file: str
    through: tuple[str, ...] = ()

    def run(self, script: str, *, check: bool = True, timeout_seconds: float = SCRIPT_SECONDS) -> str:
        """Run a bash script as root and return what it prints."""
        options = list(ssh_options(self.private_key_file, self.host_key))
        options += ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
        if self.through:
            # ssh expands % in a proxy's command line: the jump host's own options have some.
            jump = shlex.join([*self.through[:-1], "-W", "[%h]:%p", self.through[-1]])
            options += ["-o", f"ProxyCommand={jump.replace('%H', '%%H')}"]
        done = subprocess.run(
            ["ssh", *options, f"{self.user}@{self.address}", "sudo -n bash -s"],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def export_in_plain(stack: Stack) -> dict[str, Any]:
    """The stack's deployment, secrets decrypted."""
    exported: dict[str, Any] = json.loads(stack.pulumi.ask("stack", "export", "--show-secrets"))["deployment"]
    return exported


def plain(value: Any) -> Any:
    """A value of such an export without the wrappers that mark its secrets."""
    if isinstance(value, dict):
        if "plaintext" in value:
            return json.loads(value["plaintext"])
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def find_machines(stack: Stack) -> dict[str, Machine]:
    """Every machine by its name in the stack, as the deployment itself reaches it."""
    manager = Manager.read(stack.outputs()["manager"])
    found = {}
    for resource in export_in_plain(stack)["resources"]:
        name = resource["urn"].rpartition("::")[2]
        if resource["type"] != "command:remote:Command" or not name.endswith("-ready"):
            continue
        connection = plain(resource["inputs"]["connection"])
        name = name.removesuffix("-ready")
        found[name] = Machine(
            name=name,
            address=connection["host"],
            user=connection["user"],
            host_key=connection["hostKey"],
            private_key_file=manager.private_key_file,
            through=tuple(manager.ssh()) if connection.get("proxy") else (),
        )
    return found
