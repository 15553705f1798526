"""The cell that finds where writing ends: its text is sent to the kernel with a number in place of 0."""

import errno
import json
import os
import pathlib

most_bytes = 0
file = pathlib.Path.home() / "swarmhub-probe-quota"
block = bytes(4 * 2**20)
written, stopped_by = 0, ""
try:
    with file.open("wb", buffering=0) as stream:
        while written < most_bytes:
            stream.write(block)
            # Over NFS a write is only answered for when it is asked about.
            os.fsync(stream.fileno())
            written += len(block)
except OSError as error:
    stopped_by = errno.errorcode.get(error.errno or 0, str(error))
finally:
    file.unlink(missing_ok=True)
print(json.dumps({"written_bytes": written, "stopped_by": stopped_by, "removed": not file.exists()}))
