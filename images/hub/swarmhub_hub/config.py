"""The hub's settings: hub.yaml and the secret files, checked, and which of JupyterHub's traits they set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from swarmhub_hub.announcement import announcement_vars
from swarmhub_hub.environments import Environment, parse_environment, read_form, render_form
from swarmhub_hub.homes import Homes, NfsExport, SharedFolder
from swarmhub_hub.login import SECRETS_OF_KIND, Login, login_traits, parse_login
from swarmhub_hub.sections import Section

HUB_PORT = 8081
TOKEN_MIN_LENGTH = 32
# The generic resource as which a worker's Docker daemon offers its GPUs.
GPU_RESOURCE = "GPU"
# The proxy forgets its routes when it starts anew; at this interval the hub compares and restores them: half
# of the ten seconds within which servers are to be reachable again.
ROUTE_CHECK_INTERVAL_SECONDS = 5
NO_HOMES_ANNOUNCEMENT = (
    "Files last only as long as your server runs: when it stops, they are gone. "
    "Download what you want to keep."
)
PROBE_SERVICE = "probe"
# All the probe does is to make, use and delete one user.
PROBE_SCOPES = ("admin:users", "admin:servers", "access:servers", "tokens")
CULLER_SERVICE = "idle-culler"
# What jupyterhub-idle-culler asks for in its documentation, without the right to delete users.
CULLER_SCOPES = ("list:users", "read:users:activity", "read:servers", "delete:servers")
# A server is stopped at most this much later than it should be.
CULL_INTERVAL_MAX_SECONDS = 300


class ConfigError(Exception):
    """Settings the hub cannot start with; the text is one sentence for each thing wrong."""


@dataclass(frozen=True, kw_only=True)
class UserServer:
    """What each user's server is started with; the first environment is the default."""

    environments: tuple[Environment, ...]
    network: str
    pids: int
    gpus: int
    system_memory_gb: float
    start_timeout_seconds: int
    http_timeout_seconds: int
    placement: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def system_memory_bytes(self) -> int:
        """What each machine keeps for itself, as Docker counts it."""
        return int(self.system_memory_gb * 1024**3)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of hub.yaml."""

    public_url: str
    subdomains: bool
    hub_service: str
    proxy_api_url: str
    state_directory: Path
    login: Login
    probe_user: str
    announcement: str
    cull_after_seconds: int
    user_server: UserServer
    homes: Homes | None


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The secret files' contents; ``login`` holds those of the kind of login, by file name."""

    proxy_token: str
    probe_token: str
    login: Mapping[str, str]


SECRET_MIN_LENGTHS = {"proxy-token": TOKEN_MIN_LENGTH, "probe-token": TOKEN_MIN_LENGTH}


def _parse_user_server(section: Section) -> UserServer:
    server = UserServer(
        environments=tuple(parse_environment(entry) for entry in section.sections("environments")),
        network=section.text("network"),
        pids=section.whole("pids"),
        gpus=section.whole("gpus"),
        system_memory_gb=section.number("system_memory_gb"),
        start_timeout_seconds=section.whole("start_timeout_seconds"),
        http_timeout_seconds=section.whole("http_timeout_seconds"),
        placement=section.texts("placement"),
        variables=section.variables("variables"),
    )
    section.close()
    return server


def _parse_homes(section: Section) -> Homes:
    nfs = section.section("nfs")
    homes = Homes(
        directory=Path(section.text("directory", "an absolute path", r"/.+")),
        nfs=NfsExport(
            server=nfs.text("server"),
            export=nfs.text("export", "an absolute path", r"/.*"),
            options=nfs.text("options"),
        ),
        uid=section.whole("uid"),
        gid=section.whole("gid"),
        mount_path=section.text("mount_path", "an absolute path", r"/.+"),
    )
    nfs.close()
    shared = section.section_or_none("shared")
    section.close()
    return replace(homes, shared=_parse_shared_folder(shared, homes.nfs)) if shared else homes


def _parse_shared_folder(section: Section, homes: NfsExport) -> SharedFolder:
    folder = SharedFolder(
        nfs=replace(homes, export=section.text("export", "an absolute path", r"/.+")),
        mount_path=section.text("mount_path", "an absolute path", r"/.+"),
        writers=section.text("writers", "the name of a group"),
    )
    section.close()
    return folder


def parse_settings(document: object) -> Settings:
    """Check the content of hub.yaml. Raises ConfigError naming everything that is wrong."""
    problems: list[str] = []
    top = Section("", document, problems)
    web_address = "an address that begins with http:// or https://", r"https?://[^/]+"
    homes = top.section_or_none("homes")
    settings = Settings(
        public_url=top.text("public_url", *web_address),
        subdomains=top.flag("subdomains", if_missing=False),
        hub_service=top.text("hub_service", "the name of a service", r"[a-z0-9][a-z0-9-]*"),
        proxy_api_url=top.text("proxy_api_url", *web_address),
        state_directory=Path(top.text("state_directory", "an absolute path", r"/.+")),
        login=parse_login(top.section("login")),
        probe_user=top.text("probe_user", "a user name", r"[^/]+"),
        announcement=top.text("announcement", pattern=r"(?s).*"),
        cull_after_seconds=top.whole("cull_after_seconds"),
        user_server=_parse_user_server(top.section("user_server")),
        homes=_parse_homes(homes) if homes else None,
    )
    top.close()
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def load_settings(file: Path) -> Settings:
    """Read hub.yaml. Raises ConfigError."""
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read ({error.strerror}). Mount the hub's settings there."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is not YAML: {error}") from error
    try:
        return parse_settings(document)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from None


def load_secrets(directory: Path, kind: str) -> Secrets:
    """Read the secret files that this kind of login needs. Raises ConfigError, whose text holds no secret."""
    problems: list[str] = []
    values: dict[str, str] = {}
    for name, min_length in (SECRET_MIN_LENGTHS | SECRETS_OF_KIND[kind]).items():
        file = directory / name
        try:
            value = file.read_text().strip()
        except OSError as error:
            problems.append(
                f"{file}: cannot be read ({error.strerror}). Give the hub's service the secret {name}."
            )
            continue
        values[name] = value
        if len(value) < min_length:
            problems.append(f"{file}: has {len(value)} characters. At least {min_length} are needed.")
    if values.get("user-password") and values.get("user-password") == values.get("admin-password"):
        problems.append(f"{directory}/admin-password: is the same as user-password. They must differ.")
    if problems:
        raise ConfigError("\n".join(problems))
    return Secrets(
        proxy_token=values["proxy-token"],
        probe_token=values["probe-token"],
        login={name: values[name] for name in SECRETS_OF_KIND[kind]},
    )


def trait_values(settings: Settings, secrets: Secrets) -> dict[str, Any]:
    """Return the value of every trait that is set, by ``Class.trait``."""
    server = settings.user_server
    default = server.environments[0]
    return {
        "JupyterHub.bind_url": "http://:8000",
        "JupyterHub.public_url": settings.public_url,
        # A host name for each user and service: browsers keep what one wrote from the pages of another.
        **({"JupyterHub.subdomain_host": settings.public_url} if settings.subdomains else {}),
        # An interface as hub_ip, or hub_connect_url, makes the hub listen on what it cannot bind.
        "JupyterHub.hub_bind_url": f"http://0.0.0.0:{HUB_PORT}",
        "JupyterHub.hub_connect_ip": settings.hub_service,
        "JupyterHub.db_url": f"sqlite:///{settings.state_directory}/jupyterhub.sqlite",
        "JupyterHub.upgrade_db": True,
        "JupyterHub.cookie_secret_file": str(settings.state_directory / "jupyterhub_cookie_secret"),
        # Users' servers outlive the hub, so that it can be updated during a workshop.
        "JupyterHub.cleanup_servers": False,
        "JupyterHub.last_activity_interval": ROUTE_CHECK_INTERVAL_SECONDS,
        "JupyterHub.services": [
            {"name": PROBE_SERVICE, "api_token": secrets.probe_token},
            *culler_services(settings.cull_after_seconds),
        ],
        "JupyterHub.load_roles": [
            probe_role(settings.probe_user),
            *culler_roles(settings.cull_after_seconds),
        ],
        "JupyterHub.template_vars": announcement_vars(
            settings.announcement if settings.homes else f"{settings.announcement}\n{NO_HOMES_ANNOUNCEMENT}"
        ),
        # A server started again has another address at once.
        "JupyterHubHTTPClient.connector_options": {"use_dns_cache": False},
        "ConfigurableHTTPProxy.should_start": False,
        "ConfigurableHTTPProxy.api_url": settings.proxy_api_url,
        "ConfigurableHTTPProxy.auth_token": secrets.proxy_token,
        **login_traits(
            settings.login, secrets.login, public_url=settings.public_url, probe_user=settings.probe_user
        ),
        "Spawner.start_timeout": server.start_timeout_seconds,
        "Spawner.http_timeout": server.http_timeout_seconds,
        "Spawner.default_url": default.default_url,
        "Spawner.environment": dict(server.variables),
        # Without a command the spawner looks for the image on the hub's machine, where it need not be.
        "Spawner.cmd": ["jupyterhub-singleuser"],
        "Spawner.options_form": render_form(server.environments),
        "Spawner.options_from_form": read_form,
        "Spawner.mem_limit": default.memory_bytes,
        # Never more promised than there is: a server that could be started can use what it was promised.
        "Spawner.mem_guarantee": default.memory_bytes,
        "Spawner.cpu_limit": default.cpus,
        # Without homes, the container's own: what a cell writes is what the file browser shows.
        "Spawner.notebook_dir": settings.homes.mount_path if settings.homes else "~",
        "SwarmHubSpawner.image": default.image,
        "SwarmHubSpawner.network_name": server.network,
        "SwarmHubSpawner.use_internal_ip": True,
        "SwarmHubSpawner.extra_placement_spec": {"constraints": list(server.placement)},
        "SwarmHubSpawner.pids_limit": server.pids,
        "SwarmHubSpawner.generic_resources": {GPU_RESOURCE: server.gpus} if server.gpus else {},
        "SwarmHubSpawner.system_memory_bytes": server.system_memory_bytes,
        "SwarmHubSpawner.homes": settings.homes,
        "SwarmHubSpawner.probe_user": settings.probe_user,
    }


def probe_role(probe_user: str) -> dict[str, Any]:
    """Return the role that lets the service ``probe`` make, use and delete one user, and no other."""
    return {
        "name": PROBE_SERVICE,
        "description": f"make, use and delete the user {probe_user}",
        "services": [PROBE_SERVICE],
        "scopes": [f"{scope}!user={probe_user}" for scope in PROBE_SCOPES],
    }


def culler_services(after_seconds: int) -> list[dict[str, Any]]:
    """Return the service that stops servers nobody uses, as the hub runs it; none for 0."""
    if not after_seconds:
        return []
    interval = min(max(after_seconds // 2, 1), CULL_INTERVAL_MAX_SECONDS)
    command = [
        sys.executable,
        "-m",
        "jupyterhub_idle_culler",
        f"--timeout={after_seconds}",
        f"--cull-every={interval}",
    ]
    return [{"name": CULLER_SERVICE, "command": command}]


def culler_roles(after_seconds: int) -> list[dict[str, Any]]:
    """Return the role of that service; none for 0."""
    if not after_seconds:
        return []
    return [
        {
            "name": CULLER_SERVICE,
            "description": "see who is active and stop servers",
            "services": [CULLER_SERVICE],
            "scopes": list(CULLER_SCOPES),
        }
    ]
