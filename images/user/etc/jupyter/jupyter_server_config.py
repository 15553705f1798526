"""What a server on an NFS home, reached through a hub, does otherwise than a server on a laptop."""

import asyncio
import errno
import os

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

INSUFFICIENT_STORAGE = 507
# What saving a notebook needs at least; a home with less left is as good as full.
LEAST_BYTES = 1024**2
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def lacks_space(error):
    """Whether an error came of a full disk, however often it was wrapped."""
    while error is not None:
        if getattr(error, "errno", None) in NO_SPACE:
            return True
        error = error.__cause__ or error.__context__
    return False


class HomeFileManager(AsyncLargeFileManager):
    """Says in words that the home is full, where a failed save would speak of a file that does not exist."""

    async def save(self, model, path=""):
        """Save a file; the home's size is its quota."""
        try:
            return await super().save(model, path)
        except (HTTPError, OSError) as error:
            home = await asyncio.to_thread(os.statvfs, self.root_dir)
            left, size = home.f_bavail * home.f_frsize, home.f_blocks * home.f_frsize
            if left > max(LEAST_BYTES, len(str(model.get("content") or ""))):
                # What the home may still hold says nothing of the disk below it.
                if not lacks_space(error):
                    raise
                raise HTTPError(
                    INSUFFICIENT_STORAGE,
                    "The disk that holds everybody's home is full. This file was not saved. "
                    "Tell the organiser; to delete files of your own helps too.",
                ) from error
            raise HTTPError(
                INSUFFICIENT_STORAGE,
                f"Your home is full: {left / 1024**2:.1f} MB of {size / 1024**3:.1f} GB are left. "
                "This file was not saved. Delete files you do not need, then save again. "
                # Newer kernels tell no more free space in a home than its disk has: both look alike.
                "If your files are far from filling it, everybody's disk is full: tell the organiser.",
            ) from error


c = get_config()  # type: ignore[name-defined]  # noqa: F821

# Databases with locks: on NFS they stall all of a user's kernels when the lock server does.
c.NotebookNotary.db_file = "/tmp/jupyter-signatures.db"
c.ServerApp.contents_manager_class = HomeFileManager
c.FileContentsManager.delete_to_trash = False
c.ServerApp.jpserver_extensions = {"jupyter_lsp": False}
# Shown in the status bar against the limits that the hub sets (MEM_LIMIT, CPU_LIMIT); measured on demand.
c.ResourceUseDisplay.track_cpu_percent = True
c.ResourceUseDisplay.enable_prometheus_metrics = False
