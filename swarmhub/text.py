"""The plan as text: cloud-init, nginx, exports, units, the hub's YAML. The templates lie in node/."""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from swarmhub import plan as planned
from swarmhub.plan import Machine, Plan

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
NODE_DIRECTORY = PROJECT_DIRECTORY / "node"
CLOUDINIT_DIRECTORY = PROJECT_DIRECTORY / "cloudinit"

HUB_SERVICE = "hub"
PROXY_SERVICE = "proxy"
FRONT_DOOR_CONTAINER = "front-door"
DIRECTORY_CA_PATH = f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/directory-ca.pem"
# A notebook with data in it: nginx's own default of 1 MB stops most uploads.
UPLOAD_MAX_MB = 1024
# Emulated and small machines need minutes for the first start of a server.
START_TIMEOUT_SECONDS = 300
HTTP_TIMEOUT_SECONDS = 240


class TextTemplate(string.Template):
    """``@{name}`` is replaced; ``$`` is left to nginx and the shell."""

    delimiter = "@"
    # Nothing but @{name} counts: no bare @name, no doubled @ and no error for a lone one.
    pattern = r"@(?:\{(?P<braced>[a-z_]+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!)))"  # type: ignore[assignment]


class ReadableDumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as a person would."""


ReadableDumper.add_representer(
    str,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    ),
)


@dataclass(frozen=True, kw_only=True)
class NodeFile:
    """A file to put on a machine."""

    path: str
    content: str
    mode: str = "0644"


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill a template of ``node/``; ``ValueError`` when its names and the values' differ."""
    text = TextTemplate((NODE_DIRECTORY / template).read_text())
    wanted = set(text.get_identifiers())
    if wanted != set(values):
        raise ValueError(f"{template} wants {sorted(wanted)}, got {sorted(values)}")
    return text.substitute(values)


def script(name: str) -> str:
    """The text of a script of ``node/``."""
    return (NODE_DIRECTORY / name).read_text()


def cloud_config(
    plan: Plan, machine: Machine, subnet_cidr: str, host_private_key: str, host_public_key: str
) -> str:
    """A machine's user-data: its identity, its host key, and the few files that the first boot needs."""
    document: dict[str, Any] = yaml.safe_load((CLOUDINIT_DIRECTORY / "machine.yaml").read_text())
    firewall_unit = render("swarmhub-firewall.service", {"machines_network": subnet_cidr})
    files = (
        NodeFile(path="/etc/ssh/sshd_config.d/10-swarmhub.conf", content=script("sshd.conf")),
        NodeFile(path="/opt/swarmhub/bootstrap.sh", content=script("bootstrap.sh"), mode="0755"),
        NodeFile(path="/opt/swarmhub/firewall.sh", content=script("firewall.sh"), mode="0755"),
        NodeFile(path="/etc/systemd/system/swarmhub-firewall.service", content=firewall_unit),
    )
    document |= {
        "hostname": machine.name,
        "ssh_keys": {"ed25519_private": host_private_key, "ed25519_public": host_public_key},
        "write_files": [
            {
                "path": file.path,
                "permissions": file.mode,
                "content": file.content,
            }
            for file in files
        ],
        "runcmd": [["/opt/swarmhub/bootstrap.sh", plan.ssh_user]],
    }
    return "#cloud-config\n" + yaml.dump(document, Dumper=ReadableDumper, sort_keys=True)


def storage_files(subnet_cidr: str) -> tuple[NodeFile, ...]:
    """What the NFS server reads."""
    exports = render(
        "swarmhub.exports", {"homes_directory": planned.HOMES_DIRECTORY, "machines_network": subnet_cidr}
    )
    return (
        NodeFile(path="/etc/nfs.conf.d/swarmhub.conf", content=script("nfs.conf")),
        NodeFile(path="/etc/exports.d/swarmhub.exports", content=exports),
    )


def front_door_files(plan: Plan, domain: str, directory_ca: str | None) -> tuple[NodeFile, ...]:
    """What nginx, the ACME client and its timer read."""
    directories = {
        "state_directory": planned.FRONT_DOOR_STATE_DIRECTORY,
        "challenge_directory": planned.CHALLENGE_DIRECTORY,
    }
    nginx = render(
        "nginx.conf",
        {**directories, "domain": domain, "proxy_service": PROXY_SERVICE, "upload_max_mb": UPLOAD_MAX_MB},
    )
    ordering = {
        **directories,
        "domain": domain,
        "email": plan.certificate.email,
        "directory_url": plan.certificate.directory_url,
        "directory_ca": DIRECTORY_CA_PATH if directory_ca else "",
        "image": plan.settings.hub.images.acme,
        "container": FRONT_DOOR_CONTAINER,
    }
    certificate = render("certificate.env", {name: shlex.quote(value) for name, value in ordering.items()})
    files = [
        NodeFile(path=f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/nginx.conf", content=nginx),
        NodeFile(path=f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/certificate.env", content=certificate),
        NodeFile(
            path="/opt/swarmhub/ensure-certificate.sh", content=script("ensure-certificate.sh"), mode="0755"
        ),
        NodeFile(
            path="/etc/systemd/system/swarmhub-certificate.service",
            content=script("swarmhub-certificate.service"),
        ),
        NodeFile(
            path="/etc/systemd/system/swarmhub-certificate.timer",
            content=script("swarmhub-certificate.timer"),
        ),
    ]
    if directory_ca:
        files.append(NodeFile(path=DIRECTORY_CA_PATH, content=directory_ca))
    return tuple(files)


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
