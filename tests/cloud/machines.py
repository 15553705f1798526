"""The machines of a deployed stack, each by an ssh that believes only the host key it was given."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from yarl import URL

from live.deployment import Manager
from scripts.stack import Stack
from tests.support.secrecy import export_in_plain, plain
from tests.support.waiting import wait_until

SCRIPT_SECONDS = 180
BOOT_SECONDS = 600
ASK_BOOT = "cat /proc/sys/kernel/random/boot_id"
OPTIONS = ("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=15")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine by its name in the stack (``manager``, ``worker-1``, ``storage``), and how ssh reaches it."""

    name: str
    reached: Manager

    def run(self, script: str, *, check: bool = True, timeout_seconds: float = SCRIPT_SECONDS) -> str:
        """Run a bash script as root and return what it prints; it fails the test by its status."""
        program, *rest = self.reached.ssh()
        done = subprocess.run(
            [program, *OPTIONS, *rest, "sudo -n bash -s"],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def await_run(self, script: str, holds: Callable[[str], bool], seconds: float) -> str:
        """Run a script again and again until what it prints is as wanted."""
        last = ""

        def attempt() -> bool:
            nonlocal last
            try:
                last = self.run(script)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                last = str(error)
                return False
            return holds(last)

        wait_until(attempt, seconds=seconds, what=lambda: f"{self.name}: {last}")
        return last

    def reboot(self) -> None:
        """Boot it again, and wait until it answers."""
        former = self.run(ASK_BOOT)
        self.run("systemctl reboot", check=False)
        self.await_run(ASK_BOOT, lambda said: said != former, BOOT_SECONDS)


def open_ports(address: str, ports: Iterable[int]) -> list[int]:
    """Which of the TCP ports of an address let this machine connect."""

    def is_open(port: int) -> bool:
        try:
            with socket.create_connection((address, port), timeout=3):
                return True
        except OSError:
            return False

    return [port for port in ports if is_open(port)]


def ask_health(stack: Stack) -> str:
    """A script for the manager that prints what HTTP status the hub gives through nginx."""
    domain = URL(stack.outputs()["url"]).host
    return (
        f"curl --silent --insecure --max-time 20 --resolve {domain}:443:127.0.0.1 "
        f"--output /dev/null --write-out '%{{http_code}}' https://{domain}/hub/health || true"
    )


def await_hub(stack: Stack, manager: Machine, seconds: float) -> None:
    """Wait until the hub answers through nginx."""
    manager.await_run(ask_health(stack), lambda said: said == "200", seconds)


def find_machines(stack: Stack) -> dict[str, Machine]:
    """Every machine by its name in the stack, as the deployment itself reaches it."""
    manager = Manager.read(stack.outputs()["manager"])
    found = {}
    for resource in export_in_plain(stack)["resources"]:
        name = resource["urn"].rpartition("::")[2]
        if resource["type"] != "command:remote:Command" or not name.endswith("-ready"):
            continue
        connection = plain(resource["inputs"]["connection"])
        reached = Manager(
            address=connection["host"],
            user=connection["user"],
            private_key_file=manager.private_key_file,
            host_key=connection["hostKey"],
            through=manager if connection.get("proxy") else None,
        )
        name = name.removesuffix("-ready")
        found[name] = Machine(name=name, reached=reached)
    return found


def find_probe_token(stack: Stack) -> str:
    """What the hub knows the probe by."""
    token = next(
        each
        for each in export_in_plain(stack)["resources"]
        if each["urn"].endswith("::hub-probe-token") and each["type"] == "command:local:Command"
    )
    return str(plain(token["outputs"])["stdout"]).strip()
