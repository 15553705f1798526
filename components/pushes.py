"""What the manager has built, in a registry of the site's too, where other stacks find it."""

from __future__ import annotations

import pulumi

from components.builds import OwnImages, label_of
from components.images import PULL_SECONDS
from components.registry import Registry
from components.remote_host import RemoteHost
from swarmhub import plan as planned

# As long as a pull from there may take.
PUSH_SECONDS = PULL_SECONDS


class PushedImages(pulumi.ComponentResource):
    """Nothing else of the stack waits for it."""

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        host: RemoteHost,
        own: OwnImages,
        registry: Registry | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:pushes:PushedImages", name, None, opts)
        self._name, self._plan, self._host = name, plan, host
        for image, built in own.built.items():
            self._push(label_of(image), image, image, built)
        if registry:
            # By number, as where they are built: two may differ only in what their names lose in an image's.
            for number, (image, built) in enumerate(registry.built.items(), start=1):
                self._push(str(number), image, registry.name_of(image), built)
        self.register_outputs({})

    def _push(self, label: str, image: str, here: pulumi.Input[str], built: pulumi.Resource) -> None:
        push = self._plan.settings.hub.images.push
        assert push is not None
        self._host.run(
            f"{self._name}-{label}",
            steps=["push-image.sh"],
            arguments=[
                str(PUSH_SECONDS),
                here,
                push.name_of(image),
                *([push.user] if push.user else []),
            ],
            standard_input=pulumi.Output.secret(push.password) if push.password else "",
            depends_on=[built],
            limit_seconds=PUSH_SECONDS + 60,
            parent=self,
        )
