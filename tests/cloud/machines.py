"""The machines of a deployed stack, reached by ssh: those without a public address through the manager."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from openstack.connection import Connection

from live.deployment import Manager
from scripts.stack import Stack
from tests.support.waiting import wait_until

# The product verifies host keys that it made; a test on a cloud of this machine has nobody to be misled by.
UNVERIFIED = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
RUN_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Runs scripts on a stack's machines by their names (``manager``, ``worker-1``, ``storage``)."""

    stack: Stack
    connection: Connection

    @property
    def manager(self) -> Manager:
        return Manager.read(self.stack.outputs()["manager"])

    def address(self, name: str) -> str:
        """The machine's address inside its network."""
        server = self.server(name)
        return next(
            str(each["addr"])
            for addresses in server.addresses.values()
            for each in addresses
            if each["OS-EXT-IPS:type"] == "fixed"
        )

    def server(self, name: str):  # type: ignore[no-untyped-def]
        """The cloud's server of that name."""
        wanted = f"swarmhub-{self.stack.name}-{name}"
        return next(each for each in self.connection.compute.servers() if each.name == wanted)

    def run(self, name: str, script: str, *, root: bool = True) -> str:
        """Run a script and return what it prints; it fails the test by its status."""
        manager = self.manager
        identity = ["-i", manager.private_key_file, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        to_manager = ["ssh", *identity, *UNVERIFIED, f"{manager.user}@{manager.address}"]
        if name == "manager":
            reach = to_manager
        else:
            jump = shlex.join([*to_manager[:-1], "-W", "%h:%p", to_manager[-1]])
            reach = ["ssh", *identity, *UNVERIFIED, "-o", f"ProxyCommand={jump}"]
            reach.append(f"{manager.user}@{self.address(name)}")
        shell = "sudo -n bash -s" if root else "bash -s"
        done = subprocess.run(
            [*reach, shell], input=script, capture_output=True, text=True, timeout=RUN_SECONDS
        )
        if done.returncode:
            raise AssertionError(f"on {name}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def await_run(self, name: str, script: str, holds: Callable[[str], bool], seconds: float) -> str:
        """Run a script again and again until what it prints is as wanted."""
        last = ""

        def attempt() -> bool:
            nonlocal last
            try:
                last = self.run(name, script)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                last = str(error)
                return False
            return holds(last)

        wait_until(attempt, seconds=seconds, what=lambda: f"{name}: {last}")
        return last
