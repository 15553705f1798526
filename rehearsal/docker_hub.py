"""A registry that stands in for Docker Hub: it has Debian's image, which builds begin with, and any of ours.

Machines of the rehearsal cloud reach it as a mirror (``site.registry_mirror``).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rehearsal import containers, network
from rehearsal.host import wait_for

PORT = 5005
DEBIAN = "library/debian:13-slim"
CONFIGURATION = f"""\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: /tmp/registry}}}}
http: {{addr: "0.0.0.0:{PORT}", secret: none}}
"""
START_SECONDS = 60


@contextmanager
def running(images: Sequence[str] = ()) -> Iterator[str]:
    """Have the registry for a while, in the network of a rehearsal cloud that runs; give its URL.

    ``images`` are those of images/ that it also has, under the tags that the rehearsal cloud knows them by.
    """
    containers.build()
    configuration = containers.DAEMON / "registry.yml"
    with network.connected() as namespace, containers.running_daemon(namespace) as daemon:
        configuration.write_text(CONFIGURATION)
        mount = f"/{containers.MOUNTED_DAEMON}/{configuration.name}:/etc/docker/registry/config.yml:ro"
        options = ("--detach", "--rm", "--network=host", f"--volume={mount}")
        containers.import_base(daemon)
        daemon.docker("run", *options, containers.TAGS["registry"])
        wait_for(
            "the registry in place of Docker Hub",
            _listens,
            log=containers.DAEMON_LOG,
            timeout_seconds=START_SECONDS,
        )
        _push(daemon, containers.BASE_TAG, DEBIAN)
        for name in images:
            _push(daemon, containers.TAGS[name], containers.TAGS[name])
        yield f"http://{network.API_ADDRESS}:{PORT}"


def _listens() -> bool:
    with socket.create_connection((network.API_ADDRESS, PORT), timeout=5):
        return True


def _push(daemon: containers.Daemon, image: str, name: str) -> None:
    # Docker speaks plain http to the loopback alone.
    copy = f"127.0.0.1:{PORT}/{name}"
    daemon.docker("tag", image, copy)
    daemon.docker("push", copy)
    daemon.docker("rmi", copy)
