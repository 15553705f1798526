"""Runs the test tiers whose needs this machine meets, and says which were left out and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rehearsal import cloud, native_swarm
from rehearsal.containers import STORE
from rehearsal.host import fail, require_disk, require_memory, require_root
from rehearsal.paths import CHECKOUT, GUEST_DISK, REHEARSAL
from scripts.steps import run_command
from scripts.toolchain import read_choice
from swarmhub.errors import UserError

MACHINE_MEMORY_MB = 2500
CLOUD_TESTS = "tests/cloud"
# Each a tier of its own, for whoever changes what it is about.
LONG_TESTS = {
    # Half an hour of three machines: what outlives them.
    "storage": f"{CLOUD_TESTS}/test_storage.py",
    # Emulated machines push and pull whole images: how they are built and handed out.
    "images": f"{CLOUD_TESTS}/test_images.py",
    # Ubuntu as it comes: Docker installed, and every image built, under emulation.
    "ubuntu": f"{CLOUD_TESTS}/test_ubuntu.py",
    # A cloud of its own, with Designate: the records.
    "dns": f"{CLOUD_TESTS}/test_dns.py",
    # One stack on a network that is there already, and its workers: more, fewer, larger.
    "site": f"{CLOUD_TESTS}/test_site.py",
    # Machines with public addresses of their own.
    "public": f"{CLOUD_TESTS}/test_public.py",
    # Several ups on real kernels: what existing machines do with homes.
    "machines": f"{CLOUD_TESTS}/test_existing_machines.py",
}


def require_builder() -> None:
    """Raise UserError when the rehearsal cloud's file systems cannot be built here."""
    read_choice()
    require_root()
    if not shutil.which("debootstrap") and not shutil.which("apt-get"):
        fail("cloud", "neither debootstrap nor apt-get is here", "Install debootstrap")


def require_machine() -> None:
    """Raise UserError when one virtual machine of the rehearsal cloud's guest cannot run here."""
    require_builder()
    require_memory(MACHINE_MEMORY_MB)
    require_disk(REHEARSAL, cloud.DISK_TO_RUN_GB if GUEST_DISK.exists() else cloud.DISK_TO_BUILD_GB)


def require_swarm() -> None:
    """Raise UserError when a native swarm cannot run here, with the reason and the remedy."""
    require_builder()
    require_memory(native_swarm.MINIMUM_MEMORY_MB)
    needed = native_swarm.DISK_TO_RUN_GB if STORE.exists() else cloud.DISK_TO_BUILD_GB
    require_disk(REHEARSAL, needed)


def require_cloud() -> None:
    """Raise UserError when the rehearsal cloud cannot run here, with the reason and the remedy."""
    require_builder()
    if not cloud.running():
        require_memory(cloud.MINIMUM_MEMORY_MB)
        built = GUEST_DISK.exists()
        require_disk(REHEARSAL, cloud.DISK_TO_RUN_GB if built else cloud.DISK_TO_BUILD_GB)


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Commands that pass together, and what must be met to run them (a UserError says what is not).

    One that is ``by_name_only`` runs when it is asked for by its name.
    """

    name: str
    commands: Sequence[Sequence[str]]
    by_name_only: bool = False
    needs: Callable[[], None] = field(default=lambda: None)


TIERS = (
    Tier(
        name="check",
        commands=(python("ruff", "format", "--check"), python("ruff", "check"), python("mypy")),
    ),
    Tier(name="unit", commands=(python("pytest", "--quiet", "--numprocesses=auto", "tests/unit"),)),
    Tier(name="hub", commands=(python("pytest", "--quiet", "tests/hub"),)),
    Tier(
        name="swarm",
        commands=(python("pytest", "--capture=no", "--verbose", "tests/swarm"),),
        needs=require_swarm,
    ),
    Tier(
        name="existing",
        # The front door's root builds the ACME server.
        commands=(
            python("tests.door.root"),
            python("pytest", "--capture=no", "--verbose", "tests/existing"),
        ),
        needs=require_swarm,
    ),
    Tier(
        name="vm",
        commands=(python("pytest", "--verbose", "tests/vm"),),
        needs=require_machine,
    ),
    Tier(
        name="door",
        commands=(
            python("tests.door.root"),
            python("tests.hub.programs"),
            # On a loopback of their own: nginx and the ACME server take the ports that the real ones do.
            ["unshare", "--net", *python("pytest", "--quiet", "tests/door")],
        ),
        needs=require_builder,
    ),
    Tier(
        name="cloud",
        commands=(
            python(
                *("pytest", "--capture=no", "--verbose", CLOUD_TESTS),
                *(f"--ignore={each}" for each in LONG_TESTS.values()),
            ),
        ),
        needs=require_cloud,
    ),
    *(
        Tier(
            name=name,
            commands=(python("pytest", "--capture=no", "--verbose", tests),),
            needs=require_cloud,
            by_name_only=True,
        )
        for name, tests in LONG_TESTS.items()
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a tier ended; ``reason`` is why it was left out."""

    tier: str
    passed: bool
    seconds: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.tier}: left out. {self.reason}"
        return f"{self.tier}: {'passed' if self.passed else 'FAILED'} in {self.seconds:.0f} s"


def find_reason(tier: Tier) -> str:
    """Why a tier cannot run here; empty when it can."""
    try:
        tier.needs()
    except UserError as refusal:
        return str(refusal)
    return ""


def run_tier(tier: Tier) -> Outcome:
    """Run a tier's commands up to the first that fails."""
    print(f"== {tier.name}", flush=True)
    begin = time.monotonic()
    passed = all(subprocess.run(command, cwd=CHECKOUT).returncode == 0 for command in tier.commands)
    return Outcome(tier=tier.name, passed=passed, seconds=time.monotonic() - begin)


def run_tiers(tiers: Sequence[Tier], *, required: bool) -> bool:
    """Run what can be run, say what cannot, return whether all is well; ``required`` allows no omission.

    Nothing follows the closing line of the last tier unless an earlier one failed.
    """
    outcomes = []
    runnable = []
    for tier in tiers:
        if reason := find_reason(tier):
            outcomes.append(Outcome(tier=tier.name, passed=not required, reason=reason))
            print(f"== {outcomes[-1]}", flush=True)
        else:
            runnable.append(tier)
    for position, tier in enumerate(runnable):
        outcomes.append(run_tier(tier))
        if position + 1 < len(runnable):
            print(f"== {outcomes[-1]}", flush=True)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        print(f"== {outcome}", file=sys.stderr, flush=True)
    return not failed


def main() -> int:
    known = {tier.name: tier for tier in TIERS}
    if unknown := set(sys.argv[1:]) - known.keys():
        fail("tiers", f"there is none named {', '.join(sorted(unknown))}", f"Use {', '.join(known)}")
    named = [known[name] for name in sys.argv[1:]]
    # A tier that was named was asked for, as all of them are in CI.
    required = bool(named) or os.environ.get("CI") == "true"
    for tier in TIERS:
        if tier.by_name_only and not named:
            print(f"== {tier.name}: runs when it is asked for alone (make test-{tier.name})", flush=True)
    every = [tier for tier in TIERS if not tier.by_name_only]
    return 0 if run_tiers(named or every, required=required) else 1


if __name__ == "__main__":
    run_command(main)
