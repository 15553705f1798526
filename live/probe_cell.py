"""The cell that the probe runs in a user's server: this file's text is sent to the kernel."""

import json
import os
import pathlib
import socket
import uuid

home = pathlib.Path.home()
file = home / "swarmhub-probe.txt"
text = f"written by the probe {uuid.uuid4()}"
file.write_text(text)
mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
# Of several mounts over one another the last is what a path leads to.
_, directory, kind, options = max(
    (mount[:4] for mount in mounts if home.resolve().is_relative_to(mount[1])),
    key=lambda mount: len(mount[1]),
)
# A project quota makes this the quota, over NFS too.
size = os.statvfs(home)
print(
    json.dumps(
        {
            "product": 6 * 7,
            "hostname": socket.gethostname(),
            "file": file.name,
            "text": text,
            "home": {
                "directory": directory,
                "kind": kind,
                "options": options.split(","),
                "size_bytes": size.f_blocks * size.f_frsize,
            },
        }
    )
)
