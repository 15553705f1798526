"""Run in the machine: write to a file as a user does, until stopped, and tell where the error came.

usage: fill.py FILE MOST_BYTES write|fsync|close
"""

import contextlib
import errno
import json
import os
import pathlib
import sys

path, most, mode = sys.argv[1:]
os.setgid(1000)
os.setuid(1000)
block = b"\0" * 2**20
stopped_at, error = "nothing", None
descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
try:
    for _ in range(int(most) // len(block)):
        stopped_at = "write"
        os.write(descriptor, block)
        if mode == "fsync":
            stopped_at = "fsync"
            os.fsync(descriptor)
    stopped_at = "close"
    os.close(descriptor)
    stopped_at = "nothing"
except OSError as raised:
    error = errno.errorcode[raised.errno or 0]
    if stopped_at != "close":
        with contextlib.suppress(OSError):
            os.close(descriptor)
held = pathlib.Path(path).stat()
pathlib.Path(path).unlink()
print(json.dumps({"error": error, "at": stopped_at, "held_bytes": held.st_blocks * 512}))
