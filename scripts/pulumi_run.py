"""Runs a pulumi command that changes a stack, and watches it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts.progress import HEARTBEAT_SECONDS, Progress

RUN_MARK = "SWARMHUB_PULUMI_RUN"
PATIENCE_AFTER_KILL_SECONDS = 10.0


def watch(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    progress: Progress,
    mark: str,
) -> int:
    """Run a pulumi command that changes a stack, its events fed to ``progress``; return its exit code.

    The events hold secrets in plain, so they come through a pipe and are never a file; ``log`` gets what
    pulumi prints. On an interrupt pulumi ends what it has in hand; a second one kills it and what it started.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="swarmhub-") as temporary, log.open("w") as sink:
        log.chmod(0o600)
        pipe = Path(temporary) / "events"
        os.mkfifo(pipe, 0o600)
        # Opened for both directions: neither side waits for the other, whichever is first or never comes.
        descriptor = os.open(pipe, os.O_RDWR)
        process = subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--event-log", str(pipe)],
            env={**environment, "PULUMI_DEBUG_COMMANDS": "1", RUN_MARK: mark},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        reader = threading.Thread(target=_feed, args=(descriptor, progress), daemon=True)
        reader.start()
        try:
            return _await_end(process, progress)
        finally:
            # The end mark goes through the same pipe, behind the last event.
            os.write(descriptor, b"\n\n")
            reader.join(timeout=PATIENCE_AFTER_KILL_SECONDS)
            os.close(descriptor)
            if process.returncode is None or process.returncode < 0:
                end_leftovers(mark)


def _feed(descriptor: int, progress: Progress) -> None:
    with open(descriptor, "rb", closefd=False) as stream:
        for line in stream:
            if not line.strip():
                return
            with contextlib.suppress(ValueError):
                progress.feed(json.loads(line))


def _await_end(process: subprocess.Popen[bytes], progress: Progress) -> int:
    interrupts = 0
    while process.poll() is None:
        try:
            process.wait(timeout=HEARTBEAT_SECONDS / 10)
        except subprocess.TimeoutExpired:
            progress.beat()
        except KeyboardInterrupt:
            interrupts += 1
            if interrupts == 1:
                progress.say("  interrupted: what is in hand is ended first; Ctrl-C again kills it")
                process.send_signal(signal.SIGINT)
            else:
                process.kill()
    if interrupts and process.returncode:
        raise KeyboardInterrupt
    return process.returncode


def find_leftovers(mark: str) -> list[int]:
    """Processes that a pulumi run of that mark started and that still live, without their zombies."""
    wanted = f"{RUN_MARK}={mark}".encode()
    return [pid for pid, variables in _environments() if wanted in variables]


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid():
                yield int(process.name), (process / "environ").read_bytes().split(b"\0")


def end_leftovers(mark: str) -> int:
    """Kill what a killed pulumi run left behind; return how many processes it was."""
    found = find_leftovers(mark)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_AFTER_KILL_SECONDS
    while find_leftovers(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    return len(found)
