"""Puts right what a killed pulumi left: its lock, and what it was creating and did not get to note."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from live.pulumi import PulumiStack
from swarmhub.errors import Finding, UserError
from swarmhub.text import PROJECT_DIRECTORY

SWEEP_SECONDS = 300


def mend(stack: PulumiStack, *, cloud: str | None, say: Callable[[str], None]) -> bool:
    """Make the stack ready for another `up` or `destroy`; return whether there was anything to do.

    ``cloud`` is an entry of clouds.yaml, None stands for the OS_* variables. Raises UserError.
    """
    released = stack.release_lock()
    for pid in released:
        say(f"the lock of an earlier run, whose process {pid} is gone, was removed")
    export = stack.export()
    if not (export.get("deployment") or {}).get("pending_operations"):
        return bool(released)
    say("an earlier run was interrupted: looking for what it left in the cloud")
    # Of mode 0700: the export holds the state, if encrypted.
    with tempfile.TemporaryDirectory(prefix="swarmhub-") as directory:
        exported, cleaned = Path(directory, "export.json"), Path(directory, "cleaned.json")
        exported.write_text(json.dumps(export))
        command = [sys.executable, "-m", "live.sweep", "--stack", stack.name]
        command += ["--stack-export", str(exported), "--write-cleaned", str(cleaned)]
        command += ["--cloud", cloud] if cloud else []
        swept = subprocess.run(
            command, env=dict(stack.environment), cwd=PROJECT_DIRECTORY, timeout=SWEEP_SECONDS
        )
        if swept.returncode:
            finding = Finding(
                where="sweep",
                problem=f"it ended with status {swept.returncode}",
                remedy="See above; then run the same command again",
            )
            raise UserError([finding])
        stack.ask("stack", "import", "--force", "--file", str(cleaned))
    return True
