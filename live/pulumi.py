"""The pulumi command, asked for what it knows of a stack."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmhub.errors import Finding, UserError
from swarmhub.text import PROJECT_DIRECTORY

PROJECT = "swarmhub"
ANSWER_SECONDS = 120
FILE_BACKEND = "file://"


def ask(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path = PROJECT_DIRECTORY,
    input_text: str | None = None,
) -> str:
    """Run a quick pulumi command and return what it prints. Raises UserError with its own words."""
    try:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            env=None if environment is None else dict(environment),
            cwd=directory,
            input=input_text,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except FileNotFoundError:
        remedy = "Run make setup, and call this by bin/swarmhub"
        raise _failure(arguments, "there is no pulumi here", remedy) from None
    except subprocess.TimeoutExpired:
        raise _failure(arguments, f"no answer within {ANSWER_SECONDS} s", "Try again") from None
    if done.returncode:
        reason = done.stderr.strip().removeprefix("error: ") or f"status {done.returncode}"
        raise _failure(arguments, reason, "Mend that, then try again")
    return done.stdout


def _failure(arguments: Sequence[str], problem: str, remedy: str) -> UserError:
    return UserError([Finding(where=f"pulumi {' '.join(arguments[:2])}", problem=problem, remedy=remedy)])


def selected_stack() -> str:
    """The name of the stack that is selected in the project's directory. Raises UserError."""
    return ask(["stack", "--show-name"]).strip()


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The lock of a file backend, and who holds it."""

    file: Path
    pid: int
    hostname: str
    since: str

    @property
    def is_held(self) -> bool:
        """Whether its holder may still live: another machine's cannot be looked at."""
        return self.hostname != socket.gethostname() or is_pulumi(self.pid)

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
        self.file.with_name(f"{self.file.name}.attrs").unlink(missing_ok=True)


def is_pulumi(pid: int) -> bool:
    """Whether that process is a living pulumi; its id may have been given to another since."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class PulumiStack:
    """A stack as pulumi knows it; ``directory`` has a Pulumi.yaml of the project."""

    name: str
    directory: Path = PROJECT_DIRECTORY
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def ask(self, *arguments: str, input_text: str | None = None) -> str:
        """Run a quick pulumi command on this stack. Raises UserError."""
        return ask(
            [*arguments, "--stack", self.name],
            environment=self.environment,
            directory=self.directory,
            input_text=input_text,
        )

    def export(self) -> dict[str, Any]:
        """The whole stack as `pulumi stack export` writes it, secrets encrypted. Raises UserError."""
        exported: dict[str, Any] = json.loads(self.ask("stack", "export"))
        return exported

    def locks(self) -> list[Lock]:
        """The locks on the stack; none are seen of a backend that is not files."""
        backend = self.environment.get("PULUMI_BACKEND_URL", "")
        if not backend.startswith(FILE_BACKEND):
            return []
        directory = Path(backend.removeprefix(FILE_BACKEND)) / ".pulumi" / "locks" / "organization"
        owners = {
            file: json.loads(file.read_text()) for file in (directory / PROJECT / self.name).glob("*.json")
        }
        return [
            Lock(file=file, pid=owner["pid"], hostname=owner["hostname"], since=owner["timestamp"])
            for file, owner in owners.items()
        ]

    def release_lock(self) -> list[int]:
        """Remove the locks of pulumis of this machine that are gone; return their process ids.

        Raises UserError for a lock whose holder lives.
        """
        released = []
        for lock in self.locks():
            if lock.is_held:
                finding = Finding(
                    where=f"stack {self.name}",
                    problem=f"process {lock.pid} on {lock.hostname} changes it since {lock.since}",
                    remedy="Wait until it has ended, or end it, then try again",
                )
                raise UserError([finding])
            lock.remove()
            released.append(lock.pid)
        return released
