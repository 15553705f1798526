"""Users' homes: folders made here, on the storage's own disk, mounted over NFS where the servers run."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from swarmhub_hub.names import escape

HOME_MODE = 0o700
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

    def driver_options(self, folder: str) -> dict[str, str]:
        """Return the options of Docker's local volume driver that mount one home."""
        return {
            "type": "nfs4",
            "device": f":{self.export.rstrip('/')}/{folder}",
            "o": f"addr={self.server},rw,{self.options}",
        }


@dataclass(frozen=True, kw_only=True)
class Homes:
    """The folder of all homes as this machine sees it, and how others mount them."""

    directory: Path
    nfs: NfsExport
    uid: int
    gid: int
    mount_path: str

    def path_of(self, user: str) -> Path:
        """Return a user's folder."""
        return self.directory / escape(user)

    def prepare(self, user: str) -> Path:
        """Make a user's folder, theirs alone, unless it is there. Raises HomeError."""
        home = self.path_of(user)
        try:
            home.mkdir(mode=HOME_MODE, exist_ok=True)
            found = home.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise HomeError(f"The home of {user} cannot be used: {home} is not a directory.")
            # An interrupted earlier attempt may have made it and not yet given it away.
            if found.st_uid != self.uid:
                os.chown(home, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            reason = error.strerror or str(error)
            raise HomeError(f"The home of {user} cannot be made at {home}: {reason}.") from error
        return home

    def remove(self, user: str) -> None:
        """Delete a user's folder with all that is in it. Raises HomeError if something stays."""
        home = self.path_of(user)
        for attempt in range(REMOVE_ATTEMPTS):
            if attempt:
                time.sleep(REMOVE_INTERVAL_SECONDS)
            try:
                shutil.rmtree(home)
                return
            except FileNotFoundError:
                if not home.exists():
                    return
            except OSError as error:
                reason = error.strerror or str(error)
        raise HomeError(f"The home of {user} cannot be deleted at {home}: {reason}.")

    def remove_if_empty(self, user: str) -> bool:
        """Delete a user's folder if nothing is in it; return whether it is gone."""
        home = self.path_of(user)
        try:
            home.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def volume_name(self, user: str) -> str:
        """Name the Docker volume of a home.

        Docker ignores changed options while a volume of that name exists (docker/cli#1279): their hash is
        part of the name.
        """
        options = sorted(self.nfs.driver_options(escape(user)).items())
        return f"home-{escape(user)}-{hashlib.sha256(repr(options).encode()).hexdigest()[:8]}"
