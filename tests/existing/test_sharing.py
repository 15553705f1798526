"""Sessions that share a connection to a machine: none may end because another did."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehearsal import machines
from swarmhub.text import sharing_options, ssh_options
from swarmhub.text.ssh import SHARED_CONNECTION_SECONDS
from tests.existing.conftest import Lab


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory of our own whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@contextmanager
def session(options: Sequence[str], address: str) -> Iterator[subprocess.Popen[str]]:
    """A session that repeats what is written to it."""
    process = subprocess.Popen(
        ["ssh", *options, "-T", f"{machines.USER}@{address}", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def repeated(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_killed_session_takes_no_other_with_it(lab: Lab, sockets: Path) -> None:
    manager = lab.machines[0]
    host_key = machines.host_key(manager)
    options = [*ssh_options(str(lab.key_file), host_key), *sharing_options(str(sockets), host_key)]
    with session(options, manager.address) as first:
        assert repeated(first, "one") == "one"
        [socket] = sockets.iterdir()
        # Without a key only the connection that is there can carry it.
        with session(["-o", f"ControlPath={socket}", "-i", "/dev/null"], manager.address) as second:
            assert repeated(second, "two") == "two"
            # As Docker's client does with a connection that it has no more use for.
            first.kill()
            first.wait()
            assert repeated(second, "three") == "three"
    # Nobody has to end it.
    deadline = time.monotonic() + SHARED_CONNECTION_SECONDS + 10
    while socket.exists():
        assert time.monotonic() < deadline, "the shared connection is still there"
        time.sleep(0.5)
