"""Container images on the machines that run them before they are needed: no start waits for a pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.remote_host import RemoteHost

# The largest images have 10 GB; slow sites manage some 10 MB/s.
PULL_SECONDS = 1500


class Images(pulumi.ComponentResource):
    """``ready`` is a command for each machine, done when all its images are there."""

    def __init__(
        self,
        name: str,
        *,
        wanted: Mapping[RemoteHost, Sequence[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:images:Images", name, None, opts)
        self.ready = [
            host.run(
                f"{name}-{host.name}",
                steps=["ensure-images.sh"],
                arguments=[str(PULL_SECONDS), *sorted(set(images))],
                limit_seconds=PULL_SECONDS + 60,
                parent=self,
            )
            for host, images in wanted.items()
        ]
        self.register_outputs({})
