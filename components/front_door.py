"""nginx on the manager, outside the swarm but on its overlay, and the certificate of the hub's name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi
import pulumi_docker as docker
from pulumi_command import local

from components.builds import OwnImages
from components.storage import Homes
from components.swarm import Swarm
from swarmhub import plan as planned
from swarmhub.text import (
    CERTIFICATE_DIRECTORY,
    FRONT_DOOR_CONTAINER,
    PROJECT_DIRECTORY,
    OwnCertificate,
    front_door_files,
)

NAME_WAIT_SECONDS = 600


class FrontDoor(pulumi.ComponentResource):
    """``container`` is nginx; when all of ``ready`` is done the hub's name leads to it, certificate in use.

    ``fingerprints`` change with a certificate that comes from files.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        domain: pulumi.Output[str],
        address: pulumi.Output[str],
        swarm: Swarm,
        proxy: pulumi.Resource,
        storage: Homes,
        own: OwnImages,
        named_after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:front_door:FrontDoor", name, None, opts)
        host = swarm.manager.host
        ca_file = plan.certificate.directory_ca_file
        directory_ca = (PROJECT_DIRECTORY / ca_file).read_text() if ca_file else None
        given = self._own_certificate(plan)
        self.fingerprints = [hashlib.sha256(given.chain.encode()).hexdigest()] if given else []
        files = pulumi.Output.all(domain, pulumi.Output.secret(given) if given else None).apply(
            lambda pair: front_door_files(plan, pair[0], directory_ca, pair[1])
        )
        configured = host.run(
            f"{name}-configuration",
            steps=["ensure-front-door.sh"],
            arguments=[
                domain,
                planned.FRONT_DOOR_STATE_DIRECTORY,
                planned.CHALLENGE_DIRECTORY,
                FRONT_DOOR_CONTAINER,
                "orders" if plan.certificate.issuer.by_order else "no-orders",
            ],
            files=files,
            depends_on=[storage.state],
            parent=self,
        )
        self.container = docker.Container(
            f"{name}-nginx",
            name=FRONT_DOOR_CONTAINER,
            image=plan.images.front_door.name,
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=swarm.overlay.name)],
            ports=[
                docker.ContainerPortArgs(internal=port, external=port)
                for port in plan.certificate.ports.values()
            ],
            volumes=[
                self._read(planned.FRONT_DOOR_CONFIG_DIRECTORY),
                self._read(CERTIFICATE_DIRECTORY),
                self._read(planned.CHALLENGE_DIRECTORY),
            ],
            restart="always",
            must_run=True,
            opts=swarm.inside(
                # Docker gives a container outside the swarm 20 s to get into an overlay: too little for the
                # first one on a small manager. A service has no such limit.
                [proxy, configured, *own.having(plan.images.front_door)],
                parent=self,
                delete_before_replace=True,
            ),
        )
        self.ready: list[pulumi.Resource] = [self.container]
        if not plan.is_nameless:
            self.ready.append(self._await_name(name, plan, domain, address, named_after))
        if plan.certificate.directory_url and plan.images.acme:
            certificate = host.run(
                f"{name}-certificate",
                steps=["order-certificate.sh"],
                # A change of what the order is made from orders again; the files are in place by then.
                arguments=[domain, plan.certificate.directory_url],
                depends_on=[*self.ready, *own.having(plan.images.acme)],
                parent=self,
            )
            self.ready = [certificate]
        self.register_outputs({"container": self.container.id})

    def _await_name(
        self,
        name: str,
        plan: planned.Plan,
        domain: pulumi.Output[str],
        address: pulumi.Output[str],
        after: Sequence[pulumi.Resource],
    ) -> local.Command:
        """Wait until the hub's name leads to it, and say which record that takes."""
        return local.Command(
            f"{name}-name",
            create=pulumi.Output.concat(
                ".venv/bin/python -m live.names --name ",
                domain,
                " --address ",
                address,
                " --with-subdomains" if plan.settings.hub.subdomains else "",
                f" --timeout-seconds {NAME_WAIT_SECONDS}",
                f" --nameserver {plan.name_server}" if plan.name_server else "",
            ),
            dir=str(PROJECT_DIRECTORY),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    @staticmethod
    def _own_certificate(plan: planned.Plan) -> OwnCertificate | None:
        """The operator's files, which were read before and fit each other."""
        if plan.certificate.files is None:
            return None
        chain, key = ((PROJECT_DIRECTORY / file).read_text() for file in plan.certificate.files)
        return OwnCertificate(chain=chain, key=key)

    @staticmethod
    def _read(path: str) -> docker.ContainerVolumeArgs:
        return docker.ContainerVolumeArgs(host_path=path, container_path=path, read_only=True)
