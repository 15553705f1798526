"""What nginx, the ACME client and its timer read."""

from __future__ import annotations

import shlex

from swarmhub import plan as planned
from swarmhub.plan import Plan
from swarmhub.text.hub import PROXY_SERVICE
from swarmhub.text.rendering import NodeFile, render, script

FRONT_DOOR_CONTAINER = "front-door"
DIRECTORY_CA_PATH = f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/directory-ca.pem"


def front_door_files(plan: Plan, domain: str, directory_ca: str | None) -> tuple[NodeFile, ...]:
    """What nginx, the ACME client and its timer read."""
    directories = {
        "state_directory": planned.FRONT_DOOR_STATE_DIRECTORY,
        "challenge_directory": planned.CHALLENGE_DIRECTORY,
    }
    nginx = render(
        "nginx.conf",
        {
            **directories,
            "config_directory": planned.FRONT_DOOR_CONFIG_DIRECTORY,
            "domain": domain,
            "proxy_service": PROXY_SERVICE,
            "upload_max_mb": plan.settings.hub.upload_max_mb,
        },
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
        NodeFile(
            path=f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/unavailable.html", content=script("unavailable.html")
        ),
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
