"""Container images on the machines that run them before they are needed: no start waits for a pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_command import remote

from components.registry import Registry
from components.remote_host import RemoteHost
from swarmhub.references import common_references

# The largest images have 10 GB; slow sites manage some 10 MB/s.
PULL_SECONDS = 1500


class Images(pulumi.ComponentResource):
    """``ready`` is a command for each machine, done when all its images are there.

    ``on_manager`` is the manager's, None where it pulls none; ``workers_ready`` are the workers', in their
    order. ``references`` are what Docker starts the workers' images from without asking a registry, by name.

    ``workers`` come each with the step after which it is a member of the swarm: only then does its own
    registry answer it.
    """

    def __init__(
        self,
        name: str,
        *,
        manager: RemoteHost,
        on_manager: Sequence[str],
        workers: Mapping[RemoteHost, pulumi.Resource],
        on_workers: Sequence[str],
        refresh: int,
        registry: Registry | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:images:Images", name, None, opts)
        self._name = name
        images = sorted(set(on_workers))
        again = ["--again", str(refresh)] if refresh else []
        here = {
            worker.name: self._pull(worker, [*again, *images], registry, joined)
            for worker, joined in workers.items()
        }
        self.workers_ready = list(here.values())
        self.on_manager = self._pull(manager, sorted(set(on_manager))) if on_manager else None
        self.ready = [*([self.on_manager] if self.on_manager else []), *self.workers_ready]
        said = pulumi.Output.all(**{worker: step.stdout for worker, step in here.items()})
        self.references = said.apply(_agree)
        self.register_outputs({})

    def _pull(
        self,
        host: RemoteHost,
        words: Sequence[str],
        registry: Registry | None = None,
        joined: pulumi.Resource | None = None,
    ) -> remote.Command:
        first = ["ensure-registry-access.sh"] if registry else []
        return host.run(
            f"{self._name}-{host.name}",
            steps=[*first, "ensure-images.sh"],
            arguments=[
                str(PULL_SECONDS),
                *(registry.name_of(word) if registry else word for word in words),
            ],
            files=registry.access_files() if registry else (),
            depends_on=[*registry.built.values(), joined] if registry and joined else (),
            limit_seconds=PULL_SECONDS + 60,
            parent=self,
        )


def _agree(said: Mapping[str, str]) -> dict[str, str]:
    references, sentences = common_references(said)
    for sentence in sentences:
        pulumi.warn(sentence)
    return references
