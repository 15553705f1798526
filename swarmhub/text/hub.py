"""The hub's YAML."""

from __future__ import annotations

import yaml

from swarmhub import plan as planned
from swarmhub.plan import Plan

HUB_SERVICE = "hub"
PROXY_SERVICE = "proxy"
# Emulated and small machines need minutes for the first start of a server.
START_TIMEOUT_SECONDS = 300
HTTP_TIMEOUT_SECONDS = 240


def hub_config(plan: Plan, domain: str, storage_address: str) -> str:
    """The hub's YAML, read by images/hub/jupyterhub_config.py."""
    hub, limits = plan.settings.hub, plan.settings.limits
    document = {
        "public_url": f"https://{domain}",
        "hub_service": HUB_SERVICE,
        "proxy_api_url": f"http://{PROXY_SERVICE}:8001",
        "state_directory": "/srv/state",
        "login": {"kind": str(hub.login), "admins": list(hub.admins)},
        "probe_user": planned.PROBE_USER,
        "user_server": {
            "image": hub.images.user,
            "network": plan.overlay.name,
            "memory_gb": limits.memory_gb,
            "cpus": limits.cpus,
            "start_timeout_seconds": START_TIMEOUT_SECONDS,
            "http_timeout_seconds": HTTP_TIMEOUT_SECONDS,
            "placement": ["node.role==worker"],
            "default_url": "/lab",
        },
        "homes": {
            "directory": "/srv/homes",
            "nfs": {
                "server": storage_address,
                "export": planned.HOMES_DIRECTORY,
                "options": planned.HOME_MOUNT_OPTIONS,
            },
            "uid": planned.HOME_OWNER_ID,
            "gid": planned.HOME_OWNER_ID,
            "mount_path": "/home/jovyan",
        },
    }
    return yaml.safe_dump(document, sort_keys=True)
