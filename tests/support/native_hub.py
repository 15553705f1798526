"""The hub and its proxy as services of a native swarm, as components/hub.py makes them on a cloud."""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rehearsal.docker_api import DockerError, encode
from rehearsal.native_swarm import OVERLAY, Swarm
from rehearsal.paths import CHECKOUT
from swarmhub.text import HUB_SERVICE, PROXY_SERVICE, hub_config
from tests.support.stacks import dev_plan
from tests.support.student import Student

PORT = 8000
USER_IMAGE = "swarmhub/user:dev"
PACKAGE = CHECKOUT / "images" / "hub"
HUB_DIRECTORY = "/srv/jupyterhub"
READY_TIMEOUT_SECONDS = 60
START_TIMEOUT_SECONDS = 60
SERVER_MEMORY_GB = 0.5
SERVER_LABEL = "org.swarmhub.user"


@dataclass(kw_only=True)
class NativeHub:
    """A hub on a swarm; its state is a folder of the manager.

    ``from_source`` lays the checkout's package over the image's. ``config`` is a configuration file that
    JupyterHub reads instead of its own.
    """

    swarm: Swarm
    from_source: bool = False
    config: Path | None = None
    words: dict[str, str] = field(
        default_factory=lambda: {
            name: secrets.token_hex(32)
            for name in ("proxy-token", "user-password", "admin-password", "probe-token")
        }
    )
    _secret_ids: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the proxy listens, without a final slash."""
        return f"http://{self.swarm.manager.address}:{PORT}"

    def student(self, name: str) -> Student:
        """Somebody with the shared password; the token lets a test look at him."""
        return Student(
            url=self.url, name=name, password=self.words["user-password"], token=self.words["probe-token"]
        )

    @property
    def state(self) -> Path:
        """The folder of the database and the cookie secret."""
        return self.swarm.manager.directory / "state"

    def settings(self, memory_gb: float = SERVER_MEMORY_GB, cpus: float = 1.0) -> dict[str, Any]:
        """The hub's YAML for the dev stack, without homes and with servers on every node."""
        document: dict[str, Any] = yaml.safe_load(hub_config(dev_plan(), "hub.example.org", "10.0.0.1"))
        document |= {"homes": None, "public_url": self.url}
        document["user_server"] |= {"placement": [], "start_timeout_seconds": START_TIMEOUT_SECONDS}
        for environment in document["user_server"]["environments"]:
            environment |= {"memory_gb": memory_gb, "cpus": cpus}
        return document

    def start(self, settings: Mapping[str, Any] | None = None) -> None:
        """Make the secrets and both services and wait for the hub's page."""
        self.state.mkdir(exist_ok=True)
        for name, value in self.words.items():
            made = self.swarm.docker.post("/secrets/create", {"Name": name, "Data": encode(value)})
            self._secret_ids[name] = made["ID"]
        self.swarm.docker.post("/services/create", self._proxy())
        self.swarm.docker.post("/services/create", self._hub(settings or self.settings()))
        self.await_ready()

    def update(self, settings: Mapping[str, Any] | None = None, **environment: str) -> None:
        """Replace the hub as a changed setting does, and wait for the new one."""
        service = self.swarm.docker.get(f"/services/{HUB_SERVICE}")
        spec = self._hub(settings or self.settings(), environment)
        spec["TaskTemplate"]["ForceUpdate"] = service["Spec"]["TaskTemplate"].get("ForceUpdate", 0) + 1
        before = self.container(HUB_SERVICE)
        self.swarm.docker.post(f"/services/{service['ID']}/update", spec, version=service["Version"]["Index"])
        wait_until("old hub gone", lambda: self.container(HUB_SERVICE) not in ("", before))
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until the hub answers through the proxy."""
        wait_until("hub's page", lambda: self.status("/hub/api/") == 200, log=self.log)

    def status(self, path: str) -> int:
        """HTTP's status of a path; 0 while nothing listens."""
        connection = http.client.HTTPConnection(self.swarm.manager.address, PORT, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def container(self, service: str) -> str:
        """The id of the service's running container on the manager; empty while there is none."""
        found = self.swarm.docker.get(
            "/containers/json", filters={"label": [f"com.docker.swarm.service.name={service}"]}
        )
        return str(found[0]["Id"]) if found else ""

    def kill(self, service: str) -> None:
        """Kill the service's container without warning."""
        self.swarm.docker.post(f"/containers/{self.container(service)}/kill", signal="KILL")

    def servers(self) -> list[str]:
        """Names of the users' services."""
        found = self.swarm.docker.get("/services", filters={"label": [SERVER_LABEL]})
        return sorted(service["Spec"]["Name"] for service in found)

    def log(self, service: str = HUB_SERVICE) -> str:
        """The ends of the logs of the service's containers, the newest last.

        Not the service's own log: Docker 20.10 now and then keeps a reader of it waiting for ever.
        """
        docker = self.swarm.docker
        label = f"com.docker.swarm.service.name={service}"
        found = docker.get("/containers/json", all="1", filters={"label": [label]})
        ends = []
        for container in sorted(found, key=lambda each: each["Created"]):
            with suppress(DockerError):  # Swarm removes those that ended.
                ends.append(docker.read_log(f"/containers/{container['Id']}/logs", tail="300"))
        return "".join(ends)

    def _proxy(self) -> dict[str, Any]:
        spec = self._service(PROXY_SERVICE, "swarmhub/proxy:dev", ["proxy-token"], 0o444)
        spec["EndpointSpec"]["Ports"] = [
            {"Protocol": "tcp", "TargetPort": PORT, "PublishedPort": PORT, "PublishMode": "host"}
        ]
        return spec

    def _hub(
        self, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        spec = self._service(HUB_SERVICE, "swarmhub/hub:dev", list(self.words), 0o400)
        container = spec["TaskTemplate"]["ContainerSpec"]
        name = f"hub-{secrets.token_hex(4)}"
        document = yaml.safe_dump(dict(settings))
        config = self.swarm.docker.post("/configs/create", {"Name": name, "Data": encode(document)})
        container["Configs"] = [
            {
                "ConfigID": config["ID"],
                "ConfigName": name,
                "File": file(f"{HUB_DIRECTORY}/config/hub.yaml", 0o444),
            }
        ]
        container["Env"] = [f"{name}={value}" for name, value in (environment or {}).items()]
        mounts = {"/run/docker.sock": "/var/run/docker.sock", "/srv/node/state": "/srv/state"}
        if self.from_source:
            self._copy(PACKAGE / "swarmhub_hub", "swarmhub_hub")
            self._copy(PACKAGE / "jupyterhub_config.py", "jupyterhub_config.py")
            mounts |= {
                f"/srv/node/source/{part}": f"{HUB_DIRECTORY}/{part}"
                for part in ("swarmhub_hub", "jupyterhub_config.py")
            }
        if self.config:
            self._copy(self.config, "test_config.py")
            mounts["/srv/node/source/test_config.py"] = f"{HUB_DIRECTORY}/test_config.py"
            container["Args"] = ["jupyterhub", f"--config={HUB_DIRECTORY}/test_config.py"]
        container["Mounts"] = [
            {"Type": "bind", "Source": source, "Target": target} for source, target in mounts.items()
        ]
        return spec

    def _copy(self, source: Path, name: str) -> None:
        target = self.swarm.manager.directory / "source" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            target.mkdir(exist_ok=True)
            for path in source.iterdir():
                if path.is_file():
                    (target / path.name).write_text(path.read_text())
        else:
            target.write_text(source.read_text())

    def _service(self, name: str, image: str, words: list[str], mode: int) -> dict[str, Any]:
        return {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": image,
                    "Secrets": [
                        {
                            "SecretID": self._secret_ids[word],
                            "SecretName": word,
                            "File": file(f"/run/secrets/{word}", mode),
                        }
                        for word in words
                    ],
                },
                "Networks": [{"Target": OVERLAY}],
                "Placement": {"Constraints": ["node.role==manager"]},
                "RestartPolicy": {"Condition": "any", "Delay": 10**9},
            },
            "EndpointSpec": {"Mode": "dnsrr"},
        }


def file(path: str, mode: int) -> dict[str, Any]:
    """Where a secret or a config is put, and for whom."""
    return {"Name": path, "UID": "0", "GID": "0", "Mode": mode}


def wait_until(
    what: str,
    test: Callable[[], Any],
    *,
    timeout_seconds: float = READY_TIMEOUT_SECONDS,
    log: Callable[[], str] | None = None,
) -> float:
    """Wait for something true and return how many seconds that took; fails with the log's end."""
    begin = time.monotonic()
    while not test():
        if time.monotonic() - begin > timeout_seconds:
            end = log()[-6000:] if log else ""
            raise AssertionError(f"{what}: not within {timeout_seconds:.0f} s\n{end}")
        time.sleep(0.1)
    return time.monotonic() - begin
