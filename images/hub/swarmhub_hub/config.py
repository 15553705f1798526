"""The hub's settings: hub.yaml and the secret files, checked, and which of JupyterHub's traits they set."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from swarmhub_hub.homes import Homes, NfsExport

HUB_PORT = 8081
USER_PASSWORD_MIN_LENGTH = 8
ADMIN_PASSWORD_MIN_LENGTH = 32
TOKEN_MIN_LENGTH = 32
# The proxy forgets its routes when it starts anew; at this interval the hub compares and restores them.
ROUTE_CHECK_INTERVAL_SECONDS = 10
PROBE_SERVICE = "probe"
# All the probe does is to make, use and delete one user.
PROBE_SCOPES = ("admin:users", "admin:servers", "access:servers", "tokens")

T = TypeVar("T")


class ConfigError(Exception):
    """Settings the hub cannot start with; the text is one sentence for each thing wrong."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """How users log in; only a shared password is known."""

    kind: str
    admins: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UserServer:
    """What each user's server is started with."""

    image: str
    network: str
    memory_gb: float
    cpus: float
    start_timeout_seconds: int
    http_timeout_seconds: int
    placement: tuple[str, ...]
    default_url: str

    @property
    def memory_bytes(self) -> int:
        """The memory limit as Docker counts it."""
        return int(self.memory_gb * 1024**3)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of hub.yaml."""

    public_url: str
    hub_service: str
    proxy_api_url: str
    state_directory: Path
    login: Login
    probe_user: str
    user_server: UserServer
    homes: Homes | None


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The secret files' contents."""

    proxy_token: str
    user_password: str
    admin_password: str
    probe_token: str


SECRET_MIN_LENGTHS = {
    "proxy-token": TOKEN_MIN_LENGTH,
    "user-password": USER_PASSWORD_MIN_LENGTH,
    "admin-password": ADMIN_PASSWORD_MIN_LENGTH,
    "probe-token": TOKEN_MIN_LENGTH,
}


class Section:
    """A mapping of hub.yaml that is taken apart key by key, collecting what is wrong with it."""

    def __init__(self, path: str, content: object, problems: list[str]) -> None:
        self._path = path
        self._known: list[str] = []
        self._content: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
        self._problems = problems
        if not isinstance(content, Mapping):
            problems.append(f"{path or 'hub.yaml'}: a mapping is needed, not {content!r}.")
            # One sentence is enough: every key would be missing.
            self._problems = []

    def _full(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _take(self, key: str, rule: str, convert: Callable[[Any], T | None], fallback: T) -> T:
        self._known.append(key)
        if key not in self._content:
            self._problems.append(f"{self._full(key)}: is missing. It must be {rule}.")
            return fallback
        value = convert(self._content[key])
        if value is None:
            self._problems.append(f"{self._full(key)}: {self._content[key]!r} is not {rule}.")
            return fallback
        return value

    def text(self, key: str, rule: str = "a text", pattern: str = r".+") -> str:
        """Take a text that matches ``pattern`` wholly."""
        return self._take(
            key,
            rule,
            lambda value: value if isinstance(value, str) and re.fullmatch(pattern, value) else None,
            "",
        )

    def number(self, key: str) -> float:
        """Take a number above 0."""
        return self._take(
            key,
            "a number above 0",
            lambda value: (
                value if isinstance(value, int | float) and value is not True and value > 0 else None
            ),
            1.0,
        )

    def whole(self, key: str) -> int:
        """Take a whole number of at least 0."""
        return self._take(
            key,
            "a whole number of at least 0",
            lambda value: value if type(value) is int and value >= 0 else None,
            0,
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts."""
        return self._take(
            key,
            "a list of texts",
            lambda value: (
                tuple(value)
                if isinstance(value, list) and all(isinstance(one, str) for one in value)
                else None
            ),
            (),
        )

    def section(self, key: str) -> Section:
        """Take a mapping."""
        self._known.append(key)
        if key not in self._content:
            self._problems.append(f"{self._full(key)}: is missing. It must be a mapping.")
            return Section(self._full(key), {}, [])
        return Section(self._full(key), self._content[key], self._problems)

    def section_or_none(self, key: str) -> Section | None:
        """Take a mapping, or an outspoken null."""
        if key in self._content and self._content[key] is None:
            self._known.append(key)
            return None
        return self.section(key)

    def close(self) -> None:
        """Report the keys nothing asked for."""
        for key in self._content:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, n=1)
                known = f"Known are: {', '.join(self._known)}."
                guess = f"Did you mean {self._full(near[0])}?" if near else known
                self._problems.append(f"{self._full(str(key))}: is not a setting. {guess}")


def _parse_login(section: Section) -> Login:
    login = Login(
        kind=section.text("kind", "shared-password", r"shared-password"), admins=section.texts("admins")
    )
    section.close()
    return login


def _parse_user_server(section: Section) -> UserServer:
    server = UserServer(
        image=section.text("image"),
        network=section.text("network"),
        memory_gb=section.number("memory_gb"),
        cpus=section.number("cpus"),
        start_timeout_seconds=section.whole("start_timeout_seconds"),
        http_timeout_seconds=section.whole("http_timeout_seconds"),
        placement=section.texts("placement"),
        default_url=section.text("default_url", "a path that begins with /", r"/.*"),
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
    section.close()
    return homes


def parse_settings(document: object) -> Settings:
    """Check the content of hub.yaml. Raises ConfigError naming everything that is wrong."""
    problems: list[str] = []
    top = Section("", document, problems)
    web_address = "an address that begins with http:// or https://", r"https?://[^/]+"
    homes = top.section_or_none("homes")
    settings = Settings(
        public_url=top.text("public_url", *web_address),
        hub_service=top.text("hub_service", "the name of a service", r"[a-z0-9][a-z0-9-]*"),
        proxy_api_url=top.text("proxy_api_url", *web_address),
        state_directory=Path(top.text("state_directory", "an absolute path", r"/.+")),
        login=_parse_login(top.section("login")),
        probe_user=top.text("probe_user", "a user name", r"[^/]+"),
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


def load_secrets(directory: Path) -> Secrets:
    """Read the secret files. Raises ConfigError; its text never holds a secret."""
    problems: list[str] = []
    values: dict[str, str] = {}
    for name, min_length in SECRET_MIN_LENGTHS.items():
        file = directory / name
        try:
            value = file.read_text().strip()
        except OSError as error:
            problems.append(
                f"{file}: cannot be read ({error.strerror}). Give the hub's service the secret {name}."
            )
            continue
        values[name.replace("-", "_")] = value
        if len(value) < min_length:
            problems.append(f"{file}: has {len(value)} characters. At least {min_length} are needed.")
    if values.get("user_password") and values.get("user_password") == values.get("admin_password"):
        problems.append(f"{directory}/admin-password: is the same as user-password. They must differ.")
    if problems:
        raise ConfigError("\n".join(problems))
    return Secrets(**values)


def trait_values(settings: Settings, secrets: Secrets) -> dict[str, Any]:
    """Return the value of every trait that is set, by ``Class.trait``."""
    server = settings.user_server
    return {
        "JupyterHub.bind_url": "http://:8000",
        "JupyterHub.public_url": settings.public_url,
        # An interface as hub_ip, or hub_connect_url, makes the hub listen on what it cannot bind.
        "JupyterHub.hub_bind_url": f"http://0.0.0.0:{HUB_PORT}",
        "JupyterHub.hub_connect_ip": settings.hub_service,
        "JupyterHub.db_url": f"sqlite:///{settings.state_directory}/jupyterhub.sqlite",
        "JupyterHub.upgrade_db": True,
        "JupyterHub.cookie_secret_file": str(settings.state_directory / "jupyterhub_cookie_secret"),
        # Users' servers outlive the hub, so that it can be updated during a workshop.
        "JupyterHub.cleanup_servers": False,
        "JupyterHub.last_activity_interval": ROUTE_CHECK_INTERVAL_SECONDS,
        "JupyterHub.authenticator_class": settings.login.kind,
        "JupyterHub.services": [{"name": PROBE_SERVICE, "api_token": secrets.probe_token}],
        "JupyterHub.load_roles": [probe_role(settings.probe_user)],
        # A server started again has another address at once.
        "JupyterHubHTTPClient.connector_options": {"use_dns_cache": False},
        "ConfigurableHTTPProxy.should_start": False,
        "ConfigurableHTTPProxy.api_url": settings.proxy_api_url,
        "ConfigurableHTTPProxy.auth_token": secrets.proxy_token,
        "Authenticator.allow_all": True,
        "Authenticator.admin_users": set(settings.login.admins),
        "SharedPasswordAuthenticator.user_password": secrets.user_password,
        "SharedPasswordAuthenticator.admin_password": secrets.admin_password,
        "Spawner.start_timeout": server.start_timeout_seconds,
        "Spawner.http_timeout": server.http_timeout_seconds,
        "Spawner.default_url": server.default_url,
        # Without a command the spawner looks for the image on the hub's machine, where it need not be.
        "Spawner.cmd": ["jupyterhub-singleuser"],
        "Spawner.mem_limit": server.memory_bytes,
        "Spawner.cpu_limit": server.cpus,
        "Spawner.notebook_dir": settings.homes.mount_path if settings.homes else "",
        "SwarmHubSpawner.image": server.image,
        "SwarmHubSpawner.network_name": server.network,
        "SwarmHubSpawner.use_internal_ip": True,
        "SwarmHubSpawner.extra_placement_spec": {"constraints": list(server.placement)},
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
