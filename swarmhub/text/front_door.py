"""What nginx, the ACME client and its timer read."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from swarmhub import plan as planned
from swarmhub.plan import Plan
from swarmhub.text.hub import HUB_PORT, HUB_SERVICE, PROXY_SERVICE
from swarmhub.text.rendering import NodeFile, render, script

FRONT_DOOR_CONTAINER = "front-door"
# On the overlay alone, where only what runs on the manager reaches it.
ERROR_PAGES_PORT = 8002
DIRECTORY_CA_PATH = f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/directory-ca.pem"


CERTIFICATE_DIRECTORY = f"{planned.FRONT_DOOR_STATE_DIRECTORY}/certificate"
CERTIFICATE_SETTINGS = f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/certificate.env"
DIRECTORIES = {
    "state_directory": planned.FRONT_DOOR_STATE_DIRECTORY,
    "challenge_directory": planned.CHALLENGE_DIRECTORY,
}


@dataclass(frozen=True, kw_only=True)
class OwnCertificate:
    """A certificate from files of the operator's, in PEM."""

    chain: str
    key: str = field(repr=False)


def nginx_config(plan: Plan, domain: str) -> str:
    """What nginx reads."""
    hub = render(
        "nginx-hub.conf",
        {
            "config_directory": planned.FRONT_DOOR_CONFIG_DIRECTORY,
            "proxy_service": PROXY_SERVICE,
            "upload_max_mb": plan.settings.hub.upload_max_mb,
        },
    )
    subdomains = plan.settings.hub.subdomains
    names = {"hub": hub, "server_names": f"{domain} *.{domain}" if subdomains else domain}
    if not plan.certificate.exists:
        return _nginx(render("nginx-http.conf", names | {"domain": domain}))
    names["redirect_host"] = "$hub_host" if subdomains else domain
    servers = render("nginx-https.conf", names | DIRECTORIES)
    if subdomains:
        servers = render("nginx-subdomains.conf", {"domain": domain}) + servers
    return _nginx(servers)


def _nginx(servers: str) -> str:
    return render(
        "nginx.conf",
        {
            "servers": servers,
            "config_directory": planned.FRONT_DOOR_CONFIG_DIRECTORY,
            "error_pages_port": ERROR_PAGES_PORT,
            "hub_service": HUB_SERVICE,
            "hub_port": HUB_PORT,
        },
    )


def front_door_files(
    plan: Plan, domain: str, directory_ca: str | None, own: OwnCertificate | None = None
) -> tuple[NodeFile, ...]:
    """What nginx, the ACME client and its timer read."""
    files = [
        NodeFile(
            path=f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/nginx.conf", content=nginx_config(plan, domain)
        ),
        NodeFile(
            path=f"{planned.FRONT_DOOR_CONFIG_DIRECTORY}/unavailable.html", content=script("unavailable.html")
        ),
    ]
    if own:
        # The key first: what nginx has loaded goes on until it is told that both have changed.
        files += [
            NodeFile(path=f"{CERTIFICATE_DIRECTORY}/privkey.pem", content=own.key, mode="0600"),
            NodeFile(path=f"{CERTIFICATE_DIRECTORY}/fullchain.pem", content=own.chain),
        ]
    if plan.images.acme:
        files += ordering_files(plan, domain, directory_ca, plan.images.acme.name)
    return tuple(files)


def ordering_files(plan: Plan, domain: str, directory_ca: str | None, client: str) -> list[NodeFile]:
    """What orders the certificate and renews it, by the image ``client``."""
    ordering = {
        **DIRECTORIES,
        "domain": domain,
        "email": plan.certificate.email or "",
        "directory_url": plan.certificate.directory_url or "",
        "directory_ca": DIRECTORY_CA_PATH if directory_ca else "",
        "image": client,
        "container": FRONT_DOOR_CONTAINER,
    }
    certificate = render("certificate.env", {name: shlex.quote(value) for name, value in ordering.items()})
    files = [
        NodeFile(path=CERTIFICATE_SETTINGS, content=certificate),
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
    return files
