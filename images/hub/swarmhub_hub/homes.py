"""Users' homes: folders made here, on the storage's own disk, mounted over NFS where the servers run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmhub_hub.names import escape
from swarmhub_hub.owners import Owner, owner_file, write_owner

HOME_MODE = 0o700
SHARED_LINK = "shared"
# Swarm leaves a container 10 s to end after its service is removed; until then it may go on writing.
REMOVE_ATTEMPTS = 15
REMOVE_INTERVAL_SECONDS = 1.0


class HomeError(Exception):
    """A home that cannot be given to its user; the text is a sentence for the log and the user."""


@dataclass(frozen=True, kw_only=True)
class NfsExport:
    """Where machines mount homes from: ``export`` is the server's path of the folder that holds all homes."""

    server: str
    export: str
    options: str

    def driver_options(self, folder: str = "") -> dict[str, str]:
        """Return the options of Docker's local volume driver that mount a folder of the export."""
        path = f"{self.export.rstrip('/')}/{folder}".rstrip("/")
        return {
            "type": "nfs4",
            "device": f":{path}",
            "o": f"addr={self.server},rw,{self.options}",
        }


@dataclass(frozen=True, kw_only=True)
class SharedFolder:
    """A folder that all read, and that admins and the group ``writers`` write: others mount it read-only.

    All servers run as the same account, so that the server of the files could not tell people apart. A
    container may not mount anything, nor change how it is mounted.
    """

    nfs: NfsExport
    mount_path: str
    writers: str

    def volume_name(self) -> str:
        """Name the Docker volume, by its options as that of a home."""
        return f"shared-{_digest(self.nfs.driver_options())}"


@dataclass(frozen=True, kw_only=True)
class Homes:
    """The folder of all homes as this machine sees it, and how others mount them."""

    directory: Path
    nfs: NfsExport
    uid: int
    gid: int
    mount_path: str
    shared: SharedFolder | None = None

    def path_of(self, user: str) -> Path:
        """Return a user's folder."""
        return self.directory / escape(user)

    @contextlib.contextmanager
    def _in_words(self, user: str) -> Iterator[Path]:
        """Give a user's folder, and make a HomeError of what goes wrong with it."""
        home = self.path_of(user)
        try:
            yield home
        except OSError as error:
            reason = error.strerror or str(error)
            raise HomeError(f"The home of {user} cannot be made at {home}: {reason}.") from error

    def has(self, user: str) -> bool:
        """Whether a user's folder is there. Raises HomeError when it cannot be looked at."""
        with self._in_words(user) as home, contextlib.suppress(FileNotFoundError):
            home.lstat()
            return True
        return False

    def prepare(self, user: str, email: str = "") -> Path:
        """Make a user's folder, theirs alone, unless it is there, and say beside it whose it is.

        Raises HomeError.
        """
        with self._in_words(user) as home:
            write_owner(self.directory, Owner(name=user, email=email))
            home.mkdir(mode=HOME_MODE, exist_ok=True)
            found = home.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise HomeError(f"The home of {user} cannot be used: {home} is not a directory.")
            # An interrupted earlier attempt may have made it and not yet given it away.
            if found.st_uid != self.uid:
                os.chown(home, self.uid, self.gid, follow_symlinks=False)
        self._link_shared_folder(home)
        return home

    def _link_shared_folder(self, home: Path) -> None:
        """Show the shared folder where the user looks for files; a full home goes without."""
        if self.shared is None:
            return
        link = home / SHARED_LINK
        with contextlib.suppress(OSError):
            link.symlink_to(self.shared.mount_path)
            os.chown(link, self.uid, self.gid, follow_symlinks=False)

    def remove(self, user: str) -> None:
        """Delete a user's folder with all that is in it. Raises HomeError if something stays."""
        home = self.path_of(user)
        for attempt in range(REMOVE_ATTEMPTS):
            if attempt:
                time.sleep(REMOVE_INTERVAL_SECONDS)
            try:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(home)
                if not home.exists():
                    self._owner_file(user).unlink(missing_ok=True)
                    return
                reason = "files are made in it all the time"
            except OSError as error:
                reason = error.strerror or str(error)
        raise HomeError(f"The home of {user} cannot be deleted at {home}: {reason}.")

    def remove_if_empty(self, user: str) -> bool:
        """Delete a user's folder if nothing but our link is in it; return whether it is gone."""
        home = self.path_of(user)
        try:
            with os.scandir(home) as entries:
                names = {entry.name for entry in entries if entry.is_symlink()}
            if names == {SHARED_LINK}:
                (home / SHARED_LINK).unlink()
            home.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
        self._owner_file(user).unlink(missing_ok=True)
        return True

    def _owner_file(self, user: str) -> Path:
        return owner_file(self.directory, escape(user))

    def volume_name(self, user: str) -> str:
        """Name the Docker volume of a home.

        Docker ignores changed options while a volume of that name exists (docker/cli#1279): their hash is
        part of the name.
        """
        return f"home-{escape(user)}-{_digest(self.nfs.driver_options(escape(user)))}"


def _digest(options: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:8]
