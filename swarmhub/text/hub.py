"""The hub's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import yaml

from swarmhub import plan as planned
from swarmhub.facts import Endpoints
from swarmhub.plan import Plan
from swarmhub.references import pinned
from swarmhub.settings import Login, LoginKind
from swarmhub.sizing import MEGABYTES_PER_GIGABYTE, SYSTEM_MARGIN_MB
from swarmhub.text.proxies import no_proxy

HUB_SERVICE = "hub"
PROXY_SERVICE = "proxy"
HUB_PORT = 8081
# Emulated and small machines need minutes for the first start of a server.
START_TIMEOUT_SECONDS = 300
HTTP_TIMEOUT_SECONDS = 240
NO_REFERENCES: Mapping[str, str] = MappingProxyType({})


def hub_config(
    plan: Plan,
    domain: str,
    storage_address: str,
    references: Mapping[str, str] = NO_REFERENCES,
    registry: str = "",
) -> str:
    """The hub's YAML, read by images/hub/jupyterhub_config.py, the workers' images by these references."""
    hub, limits = plan.settings.hub, plan.settings.limits
    document = {
        "public_url": f"{plan.certificate.scheme}://{domain}",
        "hub_service": HUB_SERVICE,
        "proxy_api_url": f"http://{PROXY_SERVICE}:8001",
        "state_directory": "/srv/state",
        "login": login_section(plan),
        "announcement": hub.announcement or "",
        "cull_after_seconds": limits.cull_after_minutes * 60,
        "probe_user": planned.PROBE_USER,
        "user_server": {
            "environments": [
                {
                    "name": each.name,
                    "description": each.description,
                    "image": pinned(planned.image_at(each.image, registry), references),
                    "memory_gb": each.memory_gb,
                    "cpus": each.cpus,
                    "default_url": each.default_url,
                }
                for each in plan.environments
            ],
            "network": plan.overlay.name,
            "pids": limits.pids,
            "gpus": limits.gpus,
            "system_memory_gb": SYSTEM_MARGIN_MB / MEGABYTES_PER_GIGABYTE,
            "start_timeout_seconds": START_TIMEOUT_SECONDS,
            "http_timeout_seconds": HTTP_TIMEOUT_SECONDS,
            "placement": ["node.role==worker"],
            **_variables(plan),
        },
        "homes": homes_section(plan, storage_address),
    }
    if hub.subdomains:
        document["subdomains"] = True
    return yaml.safe_dump(document, sort_keys=True)


def _variables(plan: Plan) -> dict[str, object]:
    """What servers know of the site's HTTP proxy; nothing where there is none."""
    proxy = plan.settings.site.http_proxy
    if proxy is None:
        return {}
    direct = no_proxy(plan, plan.network.subnet_cidr, HUB_SERVICE, PROXY_SERVICE)
    values = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": direct}
    # Programs differ in which they read.
    return {"variables": values | {name.upper(): value for name, value in values.items()}}


def homes_section(plan: Plan, storage_address: str) -> dict[str, object] | None:
    """The section ``homes``, or None when files last as long as their server."""
    if plan.homes is None:
        return None
    return {
        "directory": "/srv/homes",
        "nfs": {
            "server": storage_address,
            "export": plan.homes.export,
            "options": planned.HOME_MOUNT_OPTIONS,
        },
        "uid": planned.HOME_OWNER_ID,
        "gid": planned.HOME_OWNER_ID,
        "mount_path": "/home/jovyan",
        "shared": {
            "export": planned.SHARED_DIRECTORY,
            "mount_path": planned.SHARED_MOUNT_PATH,
            "writers": planned.SHARED_WRITERS_GROUP,
        }
        if plan.settings.storage.shared_folder
        else None,
    }


def login_section(plan: Plan) -> dict[str, object]:
    """The section ``login``, without any secret."""
    hub = plan.settings.hub
    login = hub.login
    return {
        "kind": str(login.kind),
        "admins": list(hub.admins),
        "groups": {name: list(members) for name, members in hub.groups},
        "allowed_users": list(login.allowed_users),
        "allow_all": login.allow_all or (login.kind is LoginKind.SHARED_PASSWORD and not login.allowed_users),
        "provider": provider_section(login, plan.endpoints) if login.kind.by_provider else None,
    }


def provider_section(login: Login, endpoints: Endpoints | None) -> dict[str, object]:
    """What the hub must know of the login provider; empty where it knows by itself, or has no use for it."""
    return {
        "client_id": login.client_id,
        "organizations": list(login.organizations),
        "domains": list(login.domains),
        "identity_providers": list(login.identity_providers),
        "username_claim": login.claim,
        "service_name": login.service_name or "",
        "authorize_url": endpoints.authorization if endpoints else "",
        "token_url": endpoints.token if endpoints else "",
        "userinfo_url": endpoints.userinfo if endpoints else "",
    }
