"""Removes the caches: the rehearsal cloud with its data, the unpacked toolchain, the virtualenv."""

from __future__ import annotations

import shutil
import subprocess
import sys

from rehearsal.host import fail
from rehearsal.paths import CACHE, CHECKOUT, CLIENT
from scripts.paths import TEST_RESULTS, VIRTUALENV
from scripts.steps import run_command


def main() -> int:
    if code := subprocess.run([sys.executable, "-m", "rehearsal", "remove"], cwd=CHECKOUT).returncode:
        fail(
            "rehearsal cloud", f"it was not removed (status {code})", "Mend what stands above, then try again"
        )
    for directory in (CACHE / "pulumi", VIRTUALENV, CLIENT, TEST_RESULTS):
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    run_command(main)
