#!/usr/bin/env python3
"""Keep every home's XFS project quota as the stack file and the operator want it.

    quota.py watch              correct at once whenever a home, a setting or an override changes
    quota.py once               correct now; status 3 when a home could not be corrected
    quota.py list               every home as JSON: whose, bytes used, limit, and who set it
    quota.py set NAME GB        override one person's quota, at once and until it is unset
    quota.py unset NAME         drop that override

A home is a directory of HOMES whose name swarmhub_hub/names.py can have made. It carries its project id
itself (as an attribute of the directory, with the flag that hands it down), so no table of ids can be lost or
contradict the disk. What this program changes, and nothing else:

- the project id and the inheritance flag of homes and of what is in them;
- block limits of project ids from FIRST_PROJECT on; /etc/projects and /etc/projid play no part;
- STATE/overrides.json (the overrides by name, in GB) and STATE/unfinished.json (homes whose files are being
  given their project id). HOMES, STATE and the limits wanted come from the settings file.

A home that fails is reported and tried again at the next pass; it never keeps others waiting.
Python 3.9 or later, standard library only. 1 GB is 1024^3 bytes, as in the cloud's volume sizes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import select
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmhub_hub.names import FOLDER, escape
from swarmhub_hub.owners import find_owner, read_owner

SETTINGS = Path("/etc/swarmhub/quota.json")
FIRST_PROJECT = 10_000
LAST_PROJECT = 2**31 - 1
GB = 1024**3
# XFS rounds limits up to its blocks; asking for a multiple of them reads back as it was written.
BLOCK_BYTES = 4096
# Between passes of the service when nothing is heard of: a safety net, not the way changes are found.
PASS_INTERVAL_SECONDS = 60
# How long the giving of ids to files may go on before new homes get their turn.
SLICE_SECONDS = 0.25
# Each level holds a file descriptor open.
MAX_DEPTH = 500
HOMES_FAILED = 3


class QuotaError(Exception):
    """What stops a home or a whole pass; the text is a sentence for the log."""


# --- deciding: no file is touched here ---


@dataclass(frozen=True)
class Home:
    """A home as it was found."""

    folder: str
    project: int
    inherits: bool


@dataclass(frozen=True)
class Charge:
    """What the file system has charged to a project id, and its limit; 0 is no limit."""

    used_bytes: int
    inodes: int
    limit_bytes: int


@dataclass(frozen=True)
class Corrections:
    """What must change: ``projects`` by folder, ``limits`` in bytes by project id."""

    projects: Mapping[str, int]
    limits: Mapping[int, int]


@dataclass(frozen=True)
class Wanted:
    """The limits that are wanted, in GB by folder; 0 is no limit."""

    default_gb: float
    configured: Mapping[str, float]
    overrides: Mapping[str, float]

    def quota_gb(self, folder: str) -> float:
        return self.overrides.get(folder, self.configured.get(folder, self.default_gb))

    def limit_bytes(self, folder: str) -> int:
        return -(-int(self.quota_gb(folder) * GB) // BLOCK_BYTES) * BLOCK_BYTES

    def set_by(self, folder: str) -> str:
        if folder in self.overrides:
            return "swarmhub quota set"
        return "storage.quota_overrides" if folder in self.configured else "storage.home_quota_gb"


def decide(
    homes: Sequence[Home], charges: Mapping[int, Charge], wanted: Wanted, *, complete: bool = True
) -> Corrections:
    """Compare what is with what should be.

    Of two homes with one id the first by name keeps it. A deleted home's id loses its limit, and is given
    away again only when no file anywhere is charged to it any more; ``complete`` tells that ``homes`` are all
    there are.
    """
    owners: dict[int, str] = {}
    adopted: list[str] = []
    projects: dict[str, int] = {}
    for home in sorted(homes, key=lambda home: home.folder):
        if not FIRST_PROJECT <= home.project <= LAST_PROJECT or home.project in owners:
            adopted.append(home.folder)
            continue
        owners[home.project] = home.folder
        if not home.inherits:
            projects[home.folder] = home.project
    candidate = FIRST_PROJECT
    for folder in adopted:
        while candidate in owners or (candidate in charges and charges[candidate].inodes):
            candidate += 1
        owners[candidate] = folder
        projects[folder] = candidate
    limits = {project: wanted.limit_bytes(folder) for project, folder in owners.items()}
    if complete:
        limits.update({project: 0 for project in charges if project not in owners})
    changed = {
        project: limit
        for project, limit in limits.items()
        if limit != (charges[project].limit_bytes if project in charges else 0)
    }
    return Corrections(projects=projects, limits=changed)


def read_gb(value: Any) -> float:
    """A number of GB from 0 on; raises QuotaError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise QuotaError(f"{value!r} is not a number of GB. Give 0 for no quota, else a number above it.")
    return float(value)


def read_quotas(content: Any) -> dict[str, float]:
    """Quotas by name to quotas by folder; raises QuotaError."""
    if not isinstance(content, dict):
        raise QuotaError(f"{content!r} is not a mapping of names to GB.")
    return {escape(name): read_gb(value) for name, value in content.items()}


# --- the file system ---

# linux/fs.h: struct fsxattr and its ioctls, which have these numbers on x86-64 and arm64.
FSXATTR = struct.Struct("=5I8s")
FS_IOC_FSGETXATTR = 0x801C581F
FS_IOC_FSSETXATTR = 0x401C5820
FS_XFLAG_PROJINHERIT = 0x200
# linux/dqblk_xfs.h: struct fs_disk_quota; its blocks have 512 bytes.
DISK_QUOTA = struct.Struct("@bbHI6Q2i2H4b3QiHh8s")
DISK_QUOTA_VERSION = 1
FS_PROJ_QUOTA = 2
FS_DQ_BSOFT, FS_DQ_BHARD = 1 << 2, 1 << 3
Q_XSETQLIM, Q_XGETNEXTQUOTA = 0x5804, 0x5809
PRJQUOTA = 2
SECTOR_BYTES = 512

LIBC = ctypes.CDLL(None, use_errno=True)


def read_project(descriptor: int) -> tuple[int, bool]:
    """The project id of an open file and whether what is made in it inherits the id."""
    flags, _, _, project, _, _ = FSXATTR.unpack(
        fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, bytes(FSXATTR.size))
    )
    return project, bool(flags & FS_XFLAG_PROJINHERIT)


def write_project(descriptor: int, project: int) -> None:
    """Give an open file its project id, a directory one that is handed down."""
    flags, extent_size, extents, found, cow_size, padding = FSXATTR.unpack(
        fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, bytes(FSXATTR.size))
    )
    directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    wanted = flags | FS_XFLAG_PROJINHERIT if directory else flags
    if (found, flags) != (project, wanted):
        packed = FSXATTR.pack(wanted, extent_size, extents, project, cow_size, padding)
        fcntl.ioctl(descriptor, FS_IOC_FSSETXATTR, packed)


def call_quotactl(command: int, device: str, project: int, buffer: Any) -> None:
    """quotactl(2) for project quotas; raises OSError."""
    number = ctypes.c_int((command << 8 | PRJQUOTA) & 0xFFFFFFFF)
    if LIBC.quotactl(number, device.encode(), ctypes.c_int(project), buffer):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def find_device(directory: Path) -> str:
    """The disk of the XFS that a directory is on; raises QuotaError unless it enforces project quotas."""
    number = directory.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, source, options = after.split(" ", 2)
        if before.split()[2] != device:
            continue
        if kind != "xfs" or not {"prjquota", "pquota"} & set(options.split(",")):
            raise QuotaError(
                f"{directory} is on {kind} ({options}). Quotas need XFS mounted with the option pquota."
            )
        return source
    raise QuotaError(f"{directory} is on a disk that is mounted nowhere.")


def read_charges(device: str) -> dict[int, Charge]:
    """Every project id from FIRST_PROJECT on that the file system has an account of."""
    charges = {}
    project = FIRST_PROJECT
    buffer = ctypes.create_string_buffer(DISK_QUOTA.size)
    while project <= LAST_PROJECT:
        try:
            call_quotactl(Q_XGETNEXTQUOTA, device, project, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESRCH):
                break
            raise
        fields = DISK_QUOTA.unpack(buffer.raw)
        charges[fields[3]] = Charge(
            limit_bytes=fields[4] * SECTOR_BYTES, used_bytes=fields[8] * SECTOR_BYTES, inodes=fields[9]
        )
        project = fields[3] + 1
    return charges


def write_limit(device: str, project: int, limit_bytes: int) -> None:
    """Set the block limit of a project id; 0 takes it away."""
    fields = [0] * 24
    fields[0:4] = [DISK_QUOTA_VERSION, FS_PROJ_QUOTA, FS_DQ_BSOFT | FS_DQ_BHARD, project]
    fields[4] = limit_bytes // SECTOR_BYTES
    packed = DISK_QUOTA.pack(*fields, b"")
    call_quotactl(Q_XSETQLIM, device, project, ctypes.create_string_buffer(packed, len(packed)))


@contextlib.contextmanager
def open_directory(path: Path) -> Iterator[int]:
    """An open directory that no link leads to; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_below(directory: int, name: str, device: int) -> int | None:
    """Open a plain file or directory without following or waiting; None for anything else or what is gone."""
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            return None
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return None
        raise
    if os.fstat(descriptor).st_dev != device:
        os.close(descriptor)
        return None
    return descriptor


def give_project(home: Path, project: int) -> Iterator[None]:
    """Give a home's id to everything in it; each step is short. Raises OSError or QuotaError.

    Users write meanwhile. A directory gets its id before it is listed, so that what is made in it later
    inherits the id and what was made earlier is seen.
    """
    with open_directory(home) as top:
        device = os.fstat(top).st_dev
        levels = [(top, os.listdir(top))]  # noqa: PTH208 - an open directory
        try:
            while levels:
                directory, names = levels[-1]
                if not names:
                    levels.pop()
                    if levels:
                        os.close(directory)
                    continue
                descriptor = open_below(directory, names.pop(), device)
                if descriptor is None:
                    continue
                # Closed with its level; a file's is empty.
                levels.append((descriptor, []))
                write_project(descriptor, project)
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    if len(levels) > MAX_DEPTH:
                        raise QuotaError(f"directories lie deeper than {MAX_DEPTH} in one another.")
                    levels[-1] = (descriptor, os.listdir(descriptor))  # noqa: PTH208
                yield
        finally:
            for descriptor, _ in levels[1:]:
                os.close(descriptor)


def scan(directory: Path, failures: dict[str, str]) -> list[Home]:
    """Every home there; what cannot be read goes to ``failures``."""
    homes = []
    device = directory.stat().st_dev
    with os.scandir(directory) as entries:
        folders = sorted(
            entry.name
            for entry in entries
            if re.fullmatch(FOLDER, entry.name) and entry.is_dir(follow_symlinks=False)
        )
    for folder in folders:
        try:
            with open_directory(directory / folder) as descriptor:
                if os.fstat(descriptor).st_dev != device:
                    raise QuotaError("another file system is mounted over it.")
                homes.append(Home(folder, *read_project(descriptor)))
        except FileNotFoundError:
            continue
        except (OSError, QuotaError) as error:
            failures[folder] = str(error)
    return homes


def write_json(path: Path, content: Any) -> None:
    """Replace a file in one step; it outlives a power cut."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def read_json(path: Path, missing: Any) -> Any:
    """The content of a file, or ``missing`` without one; raises QuotaError when it is not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return missing
    except ValueError as error:
        raise QuotaError(f"{path} is not JSON: {error}.") from None


def read_unfinished(path: Path) -> dict[str, int]:
    """The homes whose files were being given an id; none when the file cannot be made out.

    Their folders have their ids then, and what of their files has none is not counted: no reason to stop.
    """
    try:
        content = read_json(path, {})
    except QuotaError as error:
        report(str(error))
        return {}
    if not isinstance(content, dict):
        report(f"{path} is not a mapping.")
        return {}
    return content


# --- the reconciler ---


@dataclass(frozen=True)
class Settings:
    """The settings file: where homes and state are, and the quotas of the stack file, by folder."""

    homes: Path
    state: Path
    default_gb: float
    configured: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Raises QuotaError."""
        content = read_json(path, {})
        try:
            return cls(
                homes=Path(content["homes"]),
                state=Path(content["state"]),
                default_gb=read_gb(content["default_gb"]),
                configured=read_quotas(content["users"]),
            )
        except KeyError as error:
            raise QuotaError(f"{path} has no {error}. Deploy anew.") from None

    @property
    def overrides_file(self) -> Path:
        return self.state / "overrides.json"

    def wanted(self, overrides: Mapping[str, float]) -> Wanted:
        return Wanted(default_gb=self.default_gb, configured=self.configured, overrides=overrides)


class Reconciler:
    """Makes quotas as they should be; ``failures`` holds the last reason by folder."""

    def __init__(self, settings_file: Path) -> None:
        self._settings_file = settings_file
        self.settings = Settings.read(settings_file)
        self._wanted = self.settings.wanted({})
        self.read_wishes()
        self._device = find_device(self.settings.homes)
        self._walks: dict[str, Iterator[None]] = {}
        self._uncounted: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.corrected = 0

    def read_wishes(self) -> None:
        """Take up changed settings and overrides; what cannot be read is reported, the last known kept."""
        try:
            self.settings = Settings.read(self._settings_file)
            self._wanted = self.settings.wanted(read_quotas(read_json(self.settings.overrides_file, {})))
        except QuotaError as error:
            report(f"{error} The quotas known before are kept.")

    def reconcile(self) -> None:
        """One pass: ids for homes without, limits as wanted. Giving ids to files begins here only.

        Raises OSError or QuotaError when no home at all can be looked at.
        """
        failures: dict[str, str] = {}
        with self._locked():
            homes = scan(self.settings.homes, failures)
            charges = read_charges(self._device)
            corrections = decide(homes, charges, self._wanted, complete=not failures)
            folders = {home.folder: home.project for home in homes if home.inherits}
            folders.update(corrections.projects)
            unfinished = self._note_unfinished(corrections.projects, folders)
            self._set_limits(corrections.limits, folders, failures)
            self._set_projects(corrections.projects, failures)
        for folder, project in unfinished.items():
            if folder not in self._walks and folder not in failures:
                self._walks[folder] = give_project(self.settings.homes / folder, project)
        self.corrected += len(set(corrections.limits) | set(corrections.projects.values()))
        uncounted = {folder: why for folder, why in self._uncounted.items() if folder in unfinished}
        self._report_failures({**uncounted, **failures})

    def _set_limits(
        self, limits: Mapping[int, int], folders: Mapping[str, int], failures: dict[str, str]
    ) -> None:
        owners = {project: folder for folder, project in folders.items()}
        for project, limit in limits.items():
            try:
                write_limit(self._device, project, limit)
            except OSError as error:
                failures[owners.get(project, f"project {project}")] = f"no quota could be set: {error}."

    def _set_projects(self, projects: Mapping[str, int], failures: dict[str, str]) -> None:
        for folder, project in projects.items():
            try:
                with open_directory(self.settings.homes / folder) as descriptor:
                    write_project(descriptor, project)
            except FileNotFoundError:
                continue
            except OSError as error:
                failures[folder] = f"it could not be given a project id: {error}."

    def walk(self, seconds: float) -> bool:
        """Go on giving ids to files, for so long at most; whether all is done."""
        deadline = time.monotonic() + seconds
        finished: list[str] = []
        while self._walks:
            folder, steps = next(iter(self._walks.items()))
            try:
                for _ in steps:
                    if time.monotonic() > deadline:
                        self._note_finished(finished)
                        return False
                finished.append(folder)
            except FileNotFoundError:
                finished.append(folder)
            except (OSError, QuotaError) as error:
                self._uncounted[folder] = f"not all its files are counted: {error}"
                self._report_failures({**self.failures, folder: self._uncounted[folder]})
            del self._walks[folder]
        self._note_finished(finished)
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The service and a command given by hand do not assign ids at the same moment."""
        with open_directory(self.settings.state) as state:
            fcntl.flock(state, fcntl.LOCK_EX)
            yield

    @property
    def _unfinished_file(self) -> Path:
        return self.settings.state / "unfinished.json"

    def _note_unfinished(self, begun: Mapping[str, int], known: Mapping[str, int]) -> dict[str, int]:
        """Remember, before the first id is given, whose files are not done: a reboot may come between."""
        before = read_unfinished(self._unfinished_file)
        kept = {
            folder: project for folder, project in {**before, **begun}.items() if known.get(folder) == project
        }
        if kept != before:
            try:
                write_json(self._unfinished_file, kept)
            except OSError as error:
                # A full disk must not keep the quotas from the homes that filled it.
                report(f"{self._unfinished_file} could not be written: {error}.")
        return kept

    def _note_finished(self, folders: Sequence[str]) -> None:
        if folders:
            with self._locked():
                before = read_unfinished(self._unfinished_file)
                kept = {folder: project for folder, project in before.items() if folder not in folders}
                if kept != before:
                    write_json(self._unfinished_file, kept)

    def _report_failures(self, failures: dict[str, str]) -> None:
        for folder, reason in failures.items():
            if self.failures.get(folder) != reason:
                report(f"{folder}: {reason}")
        for folder in self.failures.keys() - failures.keys():
            report(f"{folder}: in order again.")
        self.failures = failures

    def entries(self) -> list[dict[str, Any]]:
        """Every home for people to read, in the order of folders."""
        charges = read_charges(self._device)
        nothing = Charge(used_bytes=0, inodes=0, limit_bytes=0)
        found = []
        for home in scan(self.settings.homes, {}):
            charge = charges.get(home.project, nothing)
            owner = read_owner(self.settings.homes, home.folder)
            found.append(
                {
                    "name": owner.name if owner else "",
                    "email": owner.email if owner else "",
                    "folder": home.folder,
                    **asdict(charge),
                    "wanted_bytes": self._wanted.limit_bytes(home.folder),
                    "set_by": self._wanted.set_by(home.folder),
                }
            )
        return found

    def override(self, person: str, quota_gb: float | None) -> str:
        """Set or drop the override of a person, known by user name or e-mail, and return the user name."""
        owner = find_owner(self.settings.homes, person)
        name = owner.name if owner else person
        with self._locked():
            overrides = read_json(self.settings.overrides_file, {})
            if quota_gb is None:
                if name not in overrides:
                    raise QuotaError(f"{name} has no override. `swarmhub quota` shows who has.")
                del overrides[name]
            else:
                overrides[name] = quota_gb
            write_json(self.settings.overrides_file, overrides)
        self.read_wishes()
        return name

    def has_home(self, name: str) -> bool:
        return (self.settings.homes / escape(name)).is_dir()


def report(sentence: str) -> None:
    print(f"quota: {sentence}", file=sys.stderr, flush=True)


# --- the service ---

# linux/inotify.h
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_IGNORED, IN_ONLYDIR = 0x400, 0x800, 0x2000, 0x8000, 0x1000000
IN_GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED
EVENT = struct.Struct("@iIII")


class Watcher:
    """Hears of changes in directories. A queue that overflowed is a change like any other."""

    def __init__(self) -> None:
        self._descriptor = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise QuotaError(f"inotify: {os.strerror(ctypes.get_errno())}.")
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def add(self, directory: Path, events: int) -> None:
        if LIBC.inotify_add_watch(self._descriptor, str(directory).encode(), events | IN_ONLYDIR) < 0:
            raise QuotaError(f"{directory} cannot be watched: {os.strerror(ctypes.get_errno())}.")

    def wait(self, seconds: float) -> None:
        """Wait for a change, so long at most; raises QuotaError when a watched directory is gone."""
        if not self._poll.poll(seconds * 1000):
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                events = os.read(self._descriptor, 65536)
                offset = 0
                while offset < len(events):
                    _, mask, _, length = EVENT.unpack_from(events, offset)
                    if mask & IN_GONE:
                        raise QuotaError("a watched directory was removed or unmounted.")
                    offset += EVENT.size + length


def tell_systemd(state: str) -> None:
    """Notify the service manager, if there is one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
            notifying.connect("\0" + address[1:] if address.startswith("@") else address)
            notifying.send(state.encode())


def watch(settings_file: Path) -> None:
    """Reconcile for ever. Watches are set before the first look: what comes in between is not missed.

    A path unit would miss homes made while its service runs: systemd compares nothing but existence when it
    takes up a PathModified watch again.
    """
    settings = Settings.read(settings_file)
    watcher = Watcher()
    watcher.add(settings.homes, IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
    for directory in (settings_file.parent, settings.state):
        watcher.add(directory, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE)
    reconciler = Reconciler(settings_file)
    ready = False
    while True:
        reconciler.read_wishes()
        reconciler.reconcile()
        if not ready:
            tell_systemd("READY=1")
            ready = True
        tell_systemd("WATCHDOG=1")
        done = reconciler.walk(SLICE_SECONDS)
        watcher.wait(PASS_INTERVAL_SECONDS if done else 0)


# --- the command line ---


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="quota.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("watch", "once", "list"):
        commands.add_parser(command)
    setting = commands.add_parser("set")
    setting.add_argument("name")
    setting.add_argument("gb", type=float)
    commands.add_parser("unset").add_argument("name")
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except (QuotaError, OSError) as error:
        report(str(error))
        return 1


def run(options: argparse.Namespace) -> int:
    if options.command == "watch":
        watch(options.settings)
    reconciler = Reconciler(options.settings)
    if options.command == "list":
        print(json.dumps(reconciler.entries()))
        return 0
    answer: dict[str, Any] = {}
    if options.command in ("set", "unset"):
        wanted_gb = read_gb(options.gb) if options.command == "set" else None
        name = reconciler.override(options.name, wanted_gb)
        answer = {"name": name, "home": reconciler.has_home(name)}
    reconciler.reconcile()
    while not reconciler.walk(PASS_INTERVAL_SECONDS):
        pass
    print(json.dumps({**answer, "corrected": reconciler.corrected, "failures": reconciler.failures}))
    return HOMES_FAILED if reconciler.failures and options.command == "once" else 0


if __name__ == "__main__":
    sys.exit(main())
