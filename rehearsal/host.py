"""Commands, waits, steps and locks on this machine, and whether it can carry the rehearsal cloud."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from swarmhub.errors import Finding, UserError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXY_VARIABLES = tuple(
    name for lower in ("http_proxy", "https_proxy", "no_proxy") for name in (lower, lower.upper())
)
TAIL_LINES = 15


def fail(where: str, problem: str, remedy: str, rule: str = "") -> NoReturn:
    """Raise the one kind of error that is shown as a sentence."""
    raise UserError([Finding(where=where, problem=problem, remedy=remedy, rule=rule)])


class CommandFailed(RuntimeError):
    """A command ended with an error; the text carries the end of what it printed."""

    def __init__(self, command: Sequence[str], returncode: int | None, output: str, log: Path | None) -> None:
        ending = "ran out of time" if returncode is None else f"ended with status {returncode}"
        place = f" Log: {log}" if log else ""
        super().__init__(f"`{shlex.join(command)}` {ending}.{place}\n{output.rstrip()}")
        self.returncode = returncode


def tail(file: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, or a note that there is none."""
    if not file.exists():
        return f"(no {file})"
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def system_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for system tools: only paths, language, the machine's proxies, and ``extra``."""
    kept = {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}
    return {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8", **kept, **(extra or {})}


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    input_text: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Run a system command and return its output; with ``log`` the output is appended there instead.

    Raises CommandFailed for a status other than 0 or when the time is over.
    """
    words = [str(word) for word in command]
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    sink = log.open("a") if log else None
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL if input_text is None else None,
            input=input_text,
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            env=system_environment(environment),
            cwd=directory,
            timeout=timeout_seconds,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(words, None, tail(log) if log else "", log) from None
    finally:
        if sink:
            sink.close()
    if done.returncode:
        output = tail(log) if log else f"{done.stdout}{done.stderr}"
        raise CommandFailed(words, done.returncode, output, log)
    return done.stdout or ""


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command ends with status 0; its output is dropped."""
    try:
        run(command)
    except (CommandFailed, FileNotFoundError):
        return False
    return True


def wait_for(
    what: str,
    test: Callable[[], object],
    *,
    log: Path,
    timeout_seconds: float,
    interval_seconds: float = 0.5,
    while_true: Callable[[], bool] | None = None,
) -> None:
    """Wait until ``test`` returns something true; an OSError from it counts as not yet.

    Raises UserError naming ``what`` and ``log`` when the time is over or ``while_true`` (say, that a process
    lives) no longer holds.
    """
    deadline = time.monotonic() + timeout_seconds
    last = ""
    while True:
        try:
            if test():
                return
        except OSError as error:
            last = f" ({error})"
        if while_true and not while_true():
            fail(what, f"the process it comes from has ended{last}", f"Its log {log} ends with\n{tail(log)}")
        if time.monotonic() > deadline:
            fail(
                what,
                f"not reached within {timeout_seconds:.0f} s{last}",
                f"Its log {log} ends with\n{tail(log)}",
            )
        time.sleep(interval_seconds)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the name of a step when it begins and its duration when it ends."""
    print(f"  {title} ...", flush=True)
    begin = time.monotonic()
    yield
    print(f"  {title}: {time.monotonic() - begin:.1f} s", flush=True)


@contextmanager
def lock(file: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock; raises UserError at once when another process holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            fail(what, f"process {owner} is at it already", "Wait until it has ended, then try again")
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def boot_id() -> str:
    """Return the kernel's id of the current boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> str | None:
    """Return when a process began, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """A process that outlives the command that started it; a reused process id is not taken for it."""

    pid: int
    started: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """Record a living process."""
        return cls(pid=pid, started=_start_time(pid) or "", boot=boot_id())

    @classmethod
    def load(cls, file: Path) -> ProcessRecord | None:
        """Read a record, or return None if there is none."""
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def save(self, file: Path) -> None:
        """Write the record."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self)))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return self.boot == boot_id() and _start_time(self.pid) == self.started

    def end(self, *, grace_seconds: float) -> bool:
        """Ask the process to end, kill it after the grace time; return whether it ended by itself."""
        for attempt, patience_seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 10.0)):
            if self.is_alive():
                os.kill(self.pid, attempt)
            deadline = time.monotonic() + patience_seconds
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(0.1)
            if not self.is_alive():
                return attempt == signal.SIGTERM
        fail("stop", f"process {self.pid} cannot be killed", "Look at it with `ps`; a reboot ends it")


def available_memory_mb() -> int:
    """Return how much memory programs can still take, in MiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def free_disk_gb(directory: Path) -> float:
    """Return the free space, in GiB, where ``directory`` is or will be made."""
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    return shutil.disk_usage(existing).free / 1024**3


def require_root() -> None:
    """Raise UserError unless this is root and may make namespaces and mounts."""
    if os.geteuid() != 0:
        fail(
            "rehearsal",
            "this user is not root",
            f"Run it as root, for example `sudo -E {Path(sys.executable).name} -m rehearsal ...`",
            "Namespaces, mounts and a network bridge need root",
        )
    attempt = [
        "unshare",
        "--net",
        "--mount",
        "--uts",
        "--pid",
        "--fork",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    ]
    try:
        run(attempt, timeout_seconds=20)
    except FileNotFoundError:
        fail("rehearsal", "`unshare` is missing", "Install the package util-linux")
    except CommandFailed as error:
        fail(
            "rehearsal",
            f"this machine does not let root make namespaces and mounts: {str(error).splitlines()[-1]}",
            "Use a virtual machine, or a container started with --privileged",
            "The rehearsal cloud lives in its own network, mount, process and host-name namespaces",
        )


def require_memory(minimum_mb: int) -> None:
    """Raise UserError when programs cannot take that much memory any more."""
    if (available := available_memory_mb()) < minimum_mb:
        fail(
            "rehearsal",
            f"{available} MB of memory are available",
            "End other programs, use a larger machine, or deploy on a real OpenStack by its own stack file",
            f"The rehearsal cloud with two small virtual machines needs {minimum_mb} MB",
        )


def require_disk(directory: Path, minimum_gb: int) -> None:
    """Raise UserError when there is too little free space for what is still to be built."""
    if (free := free_disk_gb(directory)) < minimum_gb:
        fail(
            "rehearsal",
            f"{free:.1f} GB are free at {directory}",
            "Free some, or name another place with SWARMHUB_CACHE=/path",
            f"This step needs {minimum_gb} GB",
        )
