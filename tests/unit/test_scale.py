"""The simulated cloud of benchmarks/scale.py: no worker waits for another, and limits count."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale import record, replay
from scripts.stack import OPERATIONS_AT_ONCE


@pytest.fixture(autouse=True)
def _directory_ca(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".rehearsal").mkdir()
    (tmp_path / ".rehearsal" / "directory-ca.pem").write_text("directory CA\n")
    monkeypatch.setattr("components.front_door.PROJECT_DIRECTORY", tmp_path)


def test_ten_workers_are_up_as_soon_as_one() -> None:
    one, ten = record(1), record(10)
    assert replay(ten, OPERATIONS_AT_ONCE).seconds == replay(one, OPERATIONS_AT_ONCE).seconds
    # The simulation notices what is serial: with few operations at once, ten workers take longer.
    assert replay(ten, 4).seconds > replay(one, 4).seconds
    path = replay(ten, OPERATIONS_AT_ONCE).critical_path
    assert path[-1] == "probe-run"
    assert not any("worker" in name for name in path)
