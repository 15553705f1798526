"""order-certificate.sh with an ensure-certificate.sh that ends as told: how often an issuer is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY


@pytest.mark.parametrize(
    ("codes", "asked", "succeeds"),
    [
        ("0", 1, True),
        # A nonce that was refused, a connection that broke: it may go well a moment later.
        ("1 1 0", 3, True),
        ("1 1 1 0", 3, False),
        # The issuer looked at the name in vain, and counts that.
        ("3 0", 2, True),
        ("3 3 0", 2, False),
        ("1 3 0", 2, False),
    ],
)
def test_an_issuer_that_looked_in_vain_is_asked_once_more_at_most(
    tmp_path: Path, codes: str, asked: int, succeeds: bool
) -> None:
    (tmp_path / "codes").write_text("\n".join(codes.split()) + "\n")
    programs = {
        "ensure": f"""
            code=$(head -n 1 {tmp_path}/codes)
            sed -i 1d {tmp_path}/codes
            echo asked >>{tmp_path}/asked
            exit "$code"
        """,
        "sleep": "",
        "systemctl": f'echo "$*" >>{tmp_path}/timer',
    }
    for name, text in programs.items():
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    script = (NODE_DIRECTORY / "order-certificate.sh").read_text()
    done = subprocess.run(
        [
            *("bash", "-c", script.replace("/opt/swarmhub/ensure-certificate.sh", str(tmp_path / "ensure"))),
            *("order-certificate.sh", "hub.example.org", "https://acme.example.org"),
        ],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "asked").read_text().count("asked") == asked
    assert (done.returncode == 0) is succeeds
    timer = tmp_path / "timer"
    assert timer.exists() is succeeds
    if not succeeds:
        assert f"gave none for hub.example.org in {asked} attempts" in done.stderr
