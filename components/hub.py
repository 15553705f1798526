"""JupyterHub and its proxy as two services on the manager, their configuration and secrets."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_docker as docker

from components.builds import OwnImages
from components.generated import generate_word
from components.images import Images
from components.login import make_login_secrets
from components.registry import Registry
from components.storage import Homes
from components.swarm import Swarm
from swarmhub import plan as planned
from swarmhub.references import pinned, read_references
from swarmhub.text import ERROR_PAGES_PORT, FRONT_DOOR_CONTAINER, HUB_SERVICE, PROXY_SERVICE, hub_config

ON_THE_MANAGER = docker.ServiceTaskSpecPlacementArgs(constraints=["node.role==manager"])
ON_THE_WORKERS = docker.ServiceTaskSpecPlacementArgs(constraints=["node.role==worker"])
RESTART_ALWAYS = docker.ServiceTaskSpecRestartPolicyArgs(condition="any", delay="3s", window="30s")
# The provider looks after the delay, 5 s later, then every 10 s: the first look should be the last one.
CONVERGE = docker.ServiceConvergeConfigArgs(delay="3s", timeout="5m")
DNSRR = docker.ServiceEndpointSpecArgs(mode="dnsrr")
TOKEN_CHARACTERS = 52
ANCHOR_SERVICE = "anchor"
# Those of the image, but for where an error's page comes from.
PROXY_OPTIONS = (
    *("--ip=0.0.0.0", "--port=8000", "--api-ip=0.0.0.0", "--api-port=8001"),
    f"--error-target=http://{FRONT_DOOR_CONTAINER}:{ERROR_PAGES_PORT}/hub/error",
)
HUB_CONFIG_PATH = "/srv/jupyterhub/config/hub.yaml"
OWNER_ONLY = 0o400


def encode(text: pulumi.Input[str]) -> pulumi.Output[str]:
    """Docker's API takes configs and secrets in base64."""
    return pulumi.Output.from_input(text).apply(lambda value: base64.b64encode(value.encode()).decode())


class Hub(pulumi.ComponentResource):
    """``hub`` and ``proxy`` are the services, ``images`` what they run.

    ``login`` and ``probe_token`` are secrets; ``anchor`` keeps workers on the overlay.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        domain: pulumi.Output[str],
        swarm: Swarm,
        storage: Homes,
        registry: Registry | None,
        own: OwnImages,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:hub:Hub", name, None, opts)
        self._swarm, self._name = swarm, name
        self.login = make_login_secrets(name, plan, self)
        self.probe_token = generate_word(f"{name}-probe-token", TOKEN_CHARACTERS, self)
        token = generate_word(f"{name}-proxy-token", TOKEN_CHARACTERS, self)
        proxy_token = self._secret("proxy-token", token, after=swarm.overlay)
        proxy_image, hub_image = (
            self._as_it_is(each, own, images) for each in (plan.images.proxy, plan.images.hub)
        )
        self.images = [proxy_image, hub_image]
        self.proxy = self._service(
            PROXY_SERVICE,
            image=proxy_image,
            arguments=PROXY_OPTIONS,
            environment={"PROXY_BY_HOST": "true"} if plan.settings.hub.subdomains else None,
            secrets=self._mounted({"proxy-token": proxy_token}, readable_by_all=True),
        )
        # nginx waits for the proxy, and the certificate for nginx: what the proxy needs comes first.
        secrets = {
            "proxy-token": proxy_token,
            "probe-token": self._secret("probe-token", self.probe_token, after=proxy_token),
            **{
                file: self._secret(file, value, after=proxy_token) for file, value in self.login.files.items()
            },
        }
        known = [domain, storage.address, images.references, *([registry.address] if registry else [])]
        self.config = pulumi.Output.all(*known).apply(lambda values: hub_config(plan, *values))
        config = docker.ServiceConfig(
            f"{name}-config",
            data=encode(self.config),
            opts=swarm.inside([proxy_token], parent=self),
        )
        self.hub = self._service(
            HUB_SERVICE,
            image=hub_image,
            secrets=self._mounted(secrets),
            configs=[
                docker.ServiceTaskSpecContainerSpecConfigArgs(
                    config_id=config.id, config_name=config.name, file_name=HUB_CONFIG_PATH
                )
            ],
            mounts=[
                self._bind("/run/docker.sock", "/var/run/docker.sock"),
                self._bind(planned.HUB_STATE_DIRECTORY, "/srv/state"),
                *([self._bind(planned.HOMES_DIRECTORY, "/srv/homes")] if plan.homes else []),
            ],
            # A changed image is on every worker before the hub starts servers from it. The proxy first: nginx
            # and the certificate wait for it and not for the hub, whose start keeps a small manager busy.
            depends_on=[self.proxy, storage.ready, *images.ready],
        )
        self.anchor = self._anchor(plan, images, registry)
        self.register_outputs({"hub": self.hub.id, "proxy": self.proxy.id})

    def _anchor(self, plan: planned.Plan, images: Images, registry: Registry | None) -> docker.Service:
        """A container on every worker that does nothing but keep the worker on the overlay network.

        Swarm gives up a network on a worker with its last container there and makes it anew for the next,
        while a student waits: 14 s of a start on an emulated machine. It also looks at the worker anew then,
        and rejects what holds a generic resource on it ("assigned node no longer meets constraints",
        docker/cli#1805). To go when Swarm no longer does either.
        """
        image = plan.environments[0].image
        name = registry.name_of(image) if registry else pulumi.Output.from_input(image)
        return docker.Service(
            f"{self._name}-{ANCHOR_SERVICE}",
            name=ANCHOR_SERVICE,
            mode=docker.ServiceModeArgs(global_=True),
            task_spec=docker.ServiceTaskSpecArgs(
                container_spec=docker.ServiceTaskSpecContainerSpecArgs(
                    image=pulumi.Output.all(name, images.references).apply(lambda known: pinned(*known)),
                    commands=["sleep", "infinity"],
                    # As a container's first process, sleep ends by nothing less.
                    stop_signal="SIGKILL",
                    cap_drops=["ALL"],
                ),
                networks_advanceds=[docker.ServiceTaskSpecNetworksAdvancedArgs(name=self._swarm.overlay.id)],
                placement=ON_THE_WORKERS,
                restart_policy=RESTART_ALWAYS,
            ),
            endpoint_spec=DNSRR,
            opts=self._swarm.inside([self.proxy, *images.ready], parent=self, delete_before_replace=True),
        )

    def _secret(self, what: str, value: pulumi.Output[str], after: pulumi.Resource) -> docker.Secret:
        # Encoding a secret output leaves it secret.
        return docker.Secret(
            f"{self._name}-{what}",
            data=encode(value),
            opts=self._swarm.inside([after], parent=self),
        )

    @staticmethod
    def _mounted(
        secrets: Mapping[str, docker.Secret], *, readable_by_all: bool = False
    ) -> list[docker.ServiceTaskSpecContainerSpecSecretArgs]:
        """Files of /run/secrets. The proxy does not run as root, and its container holds nothing else."""
        mode = 0o444 if readable_by_all else OWNER_ONLY
        return [
            docker.ServiceTaskSpecContainerSpecSecretArgs(
                secret_id=secret.id, secret_name=secret.name, file_name=f"/run/secrets/{file}", file_mode=mode
            )
            for file, secret in secrets.items()
        ]

    @staticmethod
    def _as_it_is(image: planned.Image, own: OwnImages, images: Images) -> pulumi.Output[str]:
        """The image by its digest or id on the manager.

        By a name, the provider has Docker ask the image's registry for the digest that it has there: the next
        `up` would find another name and change the service, and an image that was built here would be pulled
        from whoever publishes one of that name.
        """
        step = own.built.get(image.name) or images.on_manager
        if step is None:
            raise ValueError(f"{image.name} is neither built nor pulled")
        return step.stdout.apply(lambda said: pinned(image.name, read_references(said)))

    @staticmethod
    def _bind(source: str, target: str) -> docker.ServiceTaskSpecContainerSpecMountArgs:
        return docker.ServiceTaskSpecContainerSpecMountArgs(type="bind", source=source, target=target)

    def _service(
        self,
        service: str,
        *,
        image: pulumi.Output[str],
        arguments: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        secrets: Sequence[docker.ServiceTaskSpecContainerSpecSecretArgs],
        configs: Sequence[docker.ServiceTaskSpecContainerSpecConfigArgs] = (),
        mounts: Sequence[docker.ServiceTaskSpecContainerSpecMountArgs] = (),
        depends_on: Sequence[pulumi.Resource] = (),
    ) -> docker.Service:
        return docker.Service(
            f"{self._name}-{service}",
            name=service,
            task_spec=docker.ServiceTaskSpecArgs(
                container_spec=docker.ServiceTaskSpecContainerSpecArgs(
                    image=image,
                    args=arguments,
                    env=environment,
                    secrets=list(secrets),
                    configs=list(configs),
                    mounts=list(mounts),
                ),
                networks_advanceds=[docker.ServiceTaskSpecNetworksAdvancedArgs(name=self._swarm.overlay.id)],
                placement=ON_THE_MANAGER,
                restart_policy=RESTART_ALWAYS,
            ),
            endpoint_spec=DNSRR,
            converge_config=CONVERGE,
            # The hub finds its proxy by the service's name, so two of that name cannot stand side by side.
            opts=self._swarm.inside(
                [self._swarm.overlay, *depends_on], parent=self, delete_before_replace=True
            ),
        )
