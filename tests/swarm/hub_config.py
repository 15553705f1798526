"""The hub's own configuration, with users whose servers go wrong by their names, and rights for the tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from swarmhub_hub.homes import Homes, NfsExport

load_subconfig("/srv/jupyterhub/jupyterhub_config.py")  # type: ignore[name-defined]  # noqa: F821
c = get_config()  # type: ignore[name-defined]  # noqa: F821

HOMES = Path("/srv/state/homes")
HOMES.mkdir(exist_ok=True)
OUTGROW = 'data = []\nwhile True: data.append(b"x" * (8 << 20))'
# Answers as a user's server does, in less memory and time than JupyterLab takes.
SMALL_SERVER = """
import http.server, os, time
READY = time.time()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/swell"):
            self.data = [bytearray(os.urandom(1 << 20) * 16) for _ in range(64)]
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", os.environ["VERSION"])
        self.end_headers()
        answer = str(READY) if self.path.endswith("/ready") else os.uname().nodename
        self.wfile.write(answer.encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8888), Handler).serve_forever()
"""
# Swarm calls it running when it calls itself healthy.
SLOW_SERVER = 'sleep 8; touch /tmp/healthy; exec python3 -S -c "$0"'
HEALTHY = {"Test": ["CMD-SHELL", "test -e /tmp/healthy"], "Interval": 5 * 10**8, "Retries": 100}


class Volatile(NfsExport):
    """A volume that takes no file server."""

    def driver_options(self, folder: str = "") -> dict[str, str]:
        return {"type": "tmpfs", "device": "tmpfs"}


VOLATILE_HOMES = Homes(
    directory=HOMES,
    nfs=Volatile(server="10.0.0.1", export="/", options=""),
    uid=1000,
    gid=1000,
    mount_path="/home/jovyan",
)


def misbehave(spawner: Any) -> None:
    """Give a server what its user's name says; ``jupyter-...`` gets the real one, any other a small one."""
    kind = spawner.user.name.partition("-")[0]
    if kind == "jupyter":
        return
    spawner.environment["VERSION"] = os.environ.get("SERVER_VERSION", "6.1.1")
    spawner.cmd = ["python3", "-S", "-c", SMALL_SERVER]
    if kind == "unpullable":
        spawner.image = "swarmhub/missing:dev"
    elif kind == "nowhere":
        spawner.extra_placement_spec = {"constraints": ["node.labels.colour==blue"]}
    elif kind == "lost":
        spawner.extra_placement_spec = {"constraints": ["node.hostname==node-2"]}
    elif kind == "unplaceable":
        # Unknown to the count of seats: Swarm itself refuses it.
        spawner.cpu_guarantee = 1000
    elif kind == "exits":
        spawner.cmd = ["sh", "-c", "exit 3"]
    elif kind == "outgrows":
        spawner.cmd = ["python3", "-c", OUTGROW]
    elif kind == "slow":
        spawner.cmd = ["sh", "-c", SLOW_SERVER, SMALL_SERVER]
        spawner.extra_container_spec = {**spawner.extra_container_spec, "healthcheck": HEALTHY}
    elif kind == "unmounted":
        # Swarm calls it starting until it is healthy, as it does while a mount waits.
        spawner.homes = VOLATILE_HOMES
        spawner.mount_patience_seconds = 5
        spawner.extra_container_spec = {**spawner.extra_container_spec, "healthcheck": HEALTHY}
    elif kind == "homed":
        spawner.homes = VOLATILE_HOMES
    elif kind == "mounted":
        spawner.volumes = {"scratch-{username}": "/scratch"}
        spawner.read_only_volumes = {"/etc/ssl": "/shared"}


c.Spawner.pre_spawn_hook = misbehave
if spawner_class := os.environ.get("SPAWNER"):
    # For comparison: another spawner, with what ours has from the hub's settings.
    c.JupyterHub.spawner_class = spawner_class
    for trait in ("image", "network_name", "use_internal_ip", "extra_placement_spec"):
        setattr(c.SwarmSpawner, trait, c.SwarmHubSpawner[trait])
    c.SwarmSpawner.extra_endpoint_spec = {"mode": "dnsrr"}
# The small server takes no arguments of Jupyter's.
c.SwarmHubSpawner.notebook_dir = ""
c.JupyterHub.load_roles.append(
    {
        "name": "tests",
        "services": ["probe"],
        "scopes": ["admin:users", "admin:servers", "access:servers", "read:hub", "proxy"],
    }
)
