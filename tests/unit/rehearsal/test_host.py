from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rehearsal.host import CommandFailed, ProcessRecord, lock, run, wait_for
from swarmhub.errors import UserError


def test_a_failed_command_tells_its_status_and_last_words() -> None:
    with pytest.raises(CommandFailed, match=r"(?s)`sh -c .*ended with status 3.*no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"])


def test_a_failed_command_with_a_log_names_it(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "a.log"
    with pytest.raises(CommandFailed, match=f"(?s)Log: {log}.*alas"):
        run(["sh", "-c", "echo alas; exit 1"], log=log)


def test_a_wait_that_ends_names_what_was_awaited_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("the reason\n")

    def refuse() -> bool:
        raise ConnectionRefusedError("refused")

    with pytest.raises(UserError) as caught:
        wait_for("the broker", refuse, log=log, timeout_seconds=0, interval_seconds=0)
    assert str(caught.value) == (
        f"the broker: not reached within 0 s (refused). Its log {log} ends with\nthe reason."
    )


def test_a_wait_ends_with_the_process_it_depends_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the process it comes from has ended"):
        wait_for("x", lambda: False, log=tmp_path / "x", timeout_seconds=60, while_true=lambda: False)


def test_a_lock_names_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    expected = pytest.raises(UserError, match=r"start: process \d+ is at it already")
    with lock(file, "start"), expected, lock(file, "start"):
        pass
    with lock(file, "start"):
        pass


def test_a_recorded_process_is_ended_and_known_to_be_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    record = ProcessRecord.of(process.pid)
    record.save(tmp_path / "p.json")
    loaded = ProcessRecord.load(tmp_path / "p.json")
    assert loaded == record
    assert record.is_alive()
    assert record.end(grace_seconds=5)
    assert not record.is_alive()
    process.wait()


def test_a_reused_process_id_is_not_taken_for_the_process() -> None:
    process = subprocess.Popen(["sleep", "60"])
    record = ProcessRecord.of(process.pid)
    impostor = ProcessRecord(pid=record.pid, started="1", boot=record.boot)
    assert not impostor.is_alive()
    process.kill()
    process.wait()
