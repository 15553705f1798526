"""Images that the manager builds: for itself, and by the same step for the workers."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_command import remote

from components.remote_host import RemoteHost
from components.swarm import Swarm
from swarmhub import plan as planned
from swarmhub.context import Context
from swarmhub.text import NodeFile
from swarmhub.text.proxies import no_proxy

BUILD_SECONDS = 2700
PUSH_SECONDS = 600


def build_image(
    name: str,
    *,
    image: pulumi.Input[str],
    context: Context,
    host: RemoteHost,
    plan: planned.Plan,
    subnet_cidr: str,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
    member_files: pulumi.Input[Sequence[NodeFile]] | None = None,
) -> remote.Command:
    """Build an image on a machine; with ``member_files``, by which it knows a registry, push it there."""
    proxy = plan.settings.site.http_proxy
    pushes = member_files is not None
    return host.run(
        name,
        steps=[*(["ensure-registry-access.sh"] if pushes else []), "ensure-built-image.sh"],
        arguments=[
            "push" if pushes else "keep",
            image,
            str(BUILD_SECONDS),
            *([proxy, no_proxy(plan, subnet_cidr)] if proxy else []),
        ],
        files=member_files or (),
        standard_input=context.archive,
        depends_on=depends_on,
        limit_seconds=BUILD_SECONDS + PUSH_SECONDS,
        parent=parent,
    )


def label_of(image: str) -> str:
    """What names the resources about an own image: its name without path and tag."""
    return image.rpartition("/")[2].partition(":")[0]


class OwnImages:
    """This program's images, built from images/ unless the stack names others.

    They stay on the manager, which alone runs them. The build is a step of ours rather than the provider's
    docker.Image, which would have the operator's machine look at the manager's Docker during every preview.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        swarm: Swarm,
        subnet_cidr: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self.built: dict[str, remote.Command] = {}
        contexts = {image.name: image.context for image in plan.images.all if image.context}
        if not contexts:
            # A component without resources would be the one part of a protected stack that nothing keeps.
            return
        component = pulumi.ComponentResource("swarmhub:builds:OwnImages", name, None, opts)
        self.built = {
            image: build_image(
                f"{name}-{label_of(image)}",
                image=image,
                context=context,
                host=swarm.manager.host,
                plan=plan,
                subnet_cidr=subnet_cidr,
                # What is built runs behind the machine's rules, which are there by then.
                depends_on=[swarm.overlay],
                parent=component,
            )
            for image, context in contexts.items()
        }
        component.register_outputs({})

    def having(self, *images: planned.Image) -> list[pulumi.Resource]:
        """What is done when these can be run; nothing for those that are pulled."""
        return [self.built[image.name] for image in images if image.name in self.built]
