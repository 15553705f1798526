"""One stack of this checkout on the rehearsal cloud: made, brought up, looked at, destroyed, mended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from live.mend import mend
from live.pulumi import PROJECT, PulumiStack, ask
from rehearsal.host import tail
from rehearsal.paths import CHECKOUT, CLIENT
from scripts.environment import pulumi_environment, read_client_environment
from scripts.paths import STATE
from scripts.progress import Progress
from scripts.pulumi_run import end_leftovers, watch
from scripts.toolchain import read_choice
from swarmhub.errors import Finding, UserError

CLOUD_ID_VARIABLE = "SWARMHUB_REHEARSAL_ID"
# What Pulumi itself writes into a stack's file; all else comes from the file in the checkout.
KEYS_OF_PULUMI = ("encryptionsalt", "encryptedkey", "secretsprovider")
# Pulumi's own default is four for each of the operator's processors, and most operations wait for a machine:
# with 8, the first boots of 200 workers would be waited for eight at a time (benchmarks/scale.py).
# sshd on the manager takes 100 connections that are being made (node/sshd.conf). The variable that Pulumi has
# for every option, PULUMI_OPTION_PARALLEL, makes 3.259 panic, for this option is a number.
OPERATIONS_AT_ONCE = 96
OPTIONS_OF_A_CHANGE = (
    "--yes",
    "--skip-preview",
    "--suppress-outputs",
    f"--parallel={OPERATIONS_AT_ONCE}",
)


class ChangeFailed(UserError):
    """pulumi could not do all it was to do; ``errors`` is what it reported, each once."""

    def __init__(self, operation: str, errors: Sequence[str], log: Path) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        reasons = "\n".join(self.errors)
        finding = Finding(
            where=f"pulumi {operation}",
            problem="it did not get through",
            remedy=f"Mend what stands above, then run the same command again; log: {log}",
        )
        super().__init__([finding])
        self.args = (f"{reasons}\n{finding}",)


def print_line(line: str) -> None:
    print(line, flush=True)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack whose configuration is derived from a file of the checkout, which Pulumi so never rewrites."""

    name: str
    environment: Mapping[str, str]
    configuration: Mapping[str, Any]
    state: Path = STATE
    say: Callable[[str], None] = field(default=print_line)

    @property
    def directory(self) -> Path:
        """Where pulumi runs for whatever does not need the program."""
        return self.state / "stacks" / self.name

    @property
    def configuration_file(self) -> Path:
        return self.directory / f"Pulumi.{self.name}.yaml"

    @property
    def options(self) -> tuple[str, ...]:
        """What tells pulumi in the program's directory which stack and which configuration is meant."""
        return ("--stack", self.name, "--config-file", str(self.configuration_file))

    @property
    def mark(self) -> str:
        return f"{self.state}:{self.name}"

    def log(self, operation: str) -> Path:
        return self.state / "logs" / f"{self.name}-{operation}.log"

    @property
    def pulumi(self) -> PulumiStack:
        return PulumiStack(name=self.name, directory=self.directory, environment=self.environment)

    def write_configuration(self) -> None:
        """Derive the stack's file from the configuration, keeping what Pulumi wrote into it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": PROJECT, "runtime": "python"}))
        path = self.configuration_file
        former = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
        own = {key: value for key, value in self.configuration.items() if key not in KEYS_OF_PULUMI}
        path.write_text(yaml.safe_dump(own | {key: former[key] for key in KEYS_OF_PULUMI if key in former}))

    def set_secret(self, key: str, value: str) -> None:
        """Have a secret at a dotted path of the stack's file, until that is derived anew."""
        self.pulumi.ask("config", "set", "--secret", "--path", f"{PROJECT}:{key}", input_text=value)

    def exists(self) -> bool:
        self.write_configuration()
        listed = ask(["stack", "ls", "--json"], environment=self.environment, directory=self.directory)
        return any(entry["name"].split("/")[-1] == self.name for entry in json.loads(listed))

    def ensure(self) -> None:
        """Make the stack unless it is there."""
        if not self.exists():
            ask(["stack", "init", self.name], environment=self.environment, directory=self.directory)

    def count_resources(self) -> int:
        """How many resources the state holds, the stack itself not counted."""
        return sum(
            r["type"] != "pulumi:pulumi:Stack"
            for r in (self.pulumi.export()["deployment"] or {}).get("resources") or ()
        )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain."""
        outputs: dict[str, Any] = json.loads(self.pulumi.ask("stack", "output", "--json", "--show-secrets"))
        return outputs

    def remove(self) -> None:
        """Forget the stack, whatever its state says is there, and the file that was derived for it."""
        self.pulumi.ask("stack", "rm", "--force", "--yes")
        self.configuration_file.unlink(missing_ok=True)
        self.cloud_record.unlink(missing_ok=True)

    def change(self, operation: str, *options: str) -> Progress:
        """Run ``up`` or ``destroy`` in the program's directory. Raises UserError with its errors."""
        progress = Progress(say=self.say)
        log = self.log(operation)
        code = watch(
            [operation, *OPTIONS_OF_A_CHANGE, *options, *self.options],
            environment=self.environment,
            directory=CHECKOUT,
            log=log,
            progress=progress,
            mark=self.mark,
        )
        if code:
            raise ChangeFailed(operation, progress.errors or [tail(log)], log)
        return progress

    def mend(self, *, cloud: str) -> None:
        """Put right what a killed pulumi left, its processes too. Raises UserError."""
        if not self.exists():
            return
        self.release_lock()
        mend(self.pulumi, cloud=cloud, say=lambda line: self.say(f"  {line}"))

    def release_lock(self) -> None:
        """Break the lock of a pulumi that is gone and end what it left. Raises UserError for a living one."""
        for pid in self.pulumi.release_lock():
            self.say(f"  the lock of an earlier run, whose process {pid} is gone, was removed")
            if ended := end_leftovers(self.mark):
                self.say(f"  {ended} processes which that run had left were ended")

    @property
    def cloud_record(self) -> Path:
        return self.directory / "cloud-id"

    def belongs_to(self, cloud_id: str) -> bool:
        """Whether the stack was last deployed on that very cloud, or never."""
        return not self.cloud_record.exists() or self.cloud_record.read_text() == cloud_id

    def note_cloud(self, cloud_id: str) -> None:
        self.cloud_record.write_text(cloud_id)


def rehearsal_environment(state: Path = STATE) -> dict[str, str]:
    """The environment of pulumi on the rehearsal cloud, which must have written its client files."""
    own = pulumi_environment(read_choice(), os.environ, state=state)
    return own | read_client_environment(CLIENT / "env")


def read_configuration(name: str = "dev") -> dict[str, Any]:
    """The stack file of that name in the checkout."""
    loaded: dict[str, Any] = yaml.safe_load((CHECKOUT / f"Pulumi.{name}.yaml").read_text())
    return loaded
