"""A hub, its proxy and a login provider as processes on loopback, ended with the block that started them."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from tests.hub.programs import Programs, environment_of

START_SECONDS = 60.0
# The hub ends its services and servers first; killed before that, it would leave them behind.
END_SECONDS = 90.0
CONFIG = Path(__file__).with_name("inside") / "jupyterhub_config.py"
CLIENT_ID = "hub"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: list[str], log: Path, environment: Mapping[str, str], input_text: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        started = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT, env=dict(environment)
        )
        assert started.stdin is not None
        started.stdin.write(input_text.encode())
        started.stdin.close()
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def wait_for_answer(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something answers there; raises RuntimeError with the log when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and started.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                answer.read()
            return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer. Its log:\n{log.read_text()[-4000:]}")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A running login provider."""

    issuer: str
    client_secret: str
    people: Mapping[str, str]


@dataclass(kw_only=True)
class Rig:
    """A directory and two ports: what a hub of these tests is made of before it runs."""

    programs: Programs
    directory: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    probe_token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def log(self) -> str:
        return (self.directory / "hub.log").read_text()

    @contextmanager
    def provider(self, people: Mapping[str, str]) -> Iterator[Provider]:
        """Have a provider that knows these people and this hub."""
        port, client_secret = free_port(), secrets.token_urlsafe(32)
        settings = {
            "port": port,
            "client_id": CLIENT_ID,
            "client_secret": client_secret,
            "redirect_uri": f"{self.url}/hub/oauth_callback",
            "people": dict(people),
        }
        log = self.directory / "provider.log"
        command = ["node", str(self.programs.provider)]
        with process(command, log, environment_of(self.programs), json.dumps(settings)) as started:
            issuer = f"http://127.0.0.1:{port}"
            wait_for_answer(f"{issuer}/.well-known/openid-configuration", started, log)
            yield Provider(issuer=issuer, client_secret=client_secret, people=people)

    @contextmanager
    def hub(self, document: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Rig]:
        """Have the proxy and the hub run with this hub.yaml and these secrets beside the tokens."""
        proxy_token, api_port = secrets.token_hex(32), free_port()
        hub_port = free_port()
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        written = {
            **document,
            "public_url": self.url,
            "proxy_api_url": f"http://127.0.0.1:{api_port}",
            "state_directory": str(state),
            "homes": None,
        }
        (self.directory / "hub.yaml").write_text(yaml.safe_dump(written))
        secret_files = {"proxy-token": proxy_token, "probe-token": self.probe_token, **files}
        (self.directory / "secrets").mkdir(mode=0o700, exist_ok=True)
        for name, value in secret_files.items():
            (self.directory / "secrets" / name).write_text(value)
        environment = environment_of(self.programs)
        proxy = [
            *(str(self.programs.proxy), "--ip", "127.0.0.1", "--port", str(self.port)),
            *("--api-ip", "127.0.0.1", "--api-port", str(api_port)),
            *("--default-target", f"http://127.0.0.1:{hub_port}"),
            *(["--host-routing"] if document.get("subdomains") else []),
        ]
        hub = [str(self.programs.python), "-m", "jupyterhub", f"--config={CONFIG}"]
        hub_environment = environment | {
            "HUB_TEST_DIRECTORY": str(self.directory),
            "HUB_TEST_PORT": str(hub_port),
        }
        with ExitStack() as stack:
            stack.enter_context(
                process(
                    proxy, self.directory / "proxy.log", environment | {"CONFIGPROXY_AUTH_TOKEN": proxy_token}
                )
            )
            log = self.directory / "hub.log"
            started = stack.enter_context(process(hub, log, hub_environment))
            wait_for_answer(f"http://127.0.0.1:{self.port}/hub/health", started, log)
            yield self
