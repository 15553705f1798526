"""Which tiers run, which are left out, and what that means for the result."""

from __future__ import annotations

import sys

import pytest

from rehearsal.host import fail
from scripts.tiers import Tier, run_tiers

PASSING = (sys.executable, "-c", "pass")
FAILING = (sys.executable, "-c", "raise SystemExit(3)")


def refuse() -> None:
    fail("rehearsal", "this user is not root", "Run it as root")


@pytest.mark.parametrize("required", [False, True])
def test_a_tier_left_out_fails_only_where_all_are_required(
    required: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tiers = [Tier(name="unit", commands=[PASSING]), Tier(name="cloud", commands=[FAILING], needs=refuse)]
    assert run_tiers(tiers, required=required) is not required
    printed = capsys.readouterr()
    reason = "== cloud: left out. rehearsal: this user is not root. Run it as root.\n"
    assert printed.out == f"{reason}== unit\n"
    assert printed.err == (reason if required else "")


def test_a_failing_tier_does_not_keep_the_next_from_running(capsys: pytest.CaptureFixture[str]) -> None:
    tiers = [Tier(name="check", commands=[FAILING, PASSING]), Tier(name="unit", commands=[PASSING])]
    assert not run_tiers(tiers, required=False)
    printed = capsys.readouterr()
    assert printed.out == "== check\n== check: FAILED in 0 s\n== unit\n"
    assert printed.err == "== check: FAILED in 0 s\n"
