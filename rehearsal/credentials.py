"""What a client of the cloud needs: generated passwords, and the files written into a checkout."""

from __future__ import annotations

import json
import secrets
import shlex
from pathlib import Path

from rehearsal import inside, network, paths
from rehearsal.acme import DIRECTORY_PORT, fetch_issuing_root
from rehearsal.services import KEYSTONE_PORT

PASSWORD_BYTES = 18
SECRETS = paths.DATA / inside.SECRETS.name
CLOUD_CLIENT_FILE = "clouds.yaml"
DIRECTORY_CA = paths.DATA / "acme" / "ca.pem"
# The first is the one that a deployment uses unless told otherwise.
CLOUDS = {"rehearsal": "demo", "rehearsal-test": "test", "rehearsal-admin": "admin"}


def load_secrets() -> dict[str, str]:
    """Return the cloud's passwords, made with its data."""
    if not SECRETS.exists():
        names = ("admin", "service", *inside.PROJECTS, "metadata")
        generated = {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in names}
        # Nova and Cinder want the one as 64 hexadecimal digits, and of the other they are base64 too.
        generated |= {name: secrets.token_hex(32) for name in ("fixed_key", "rndc_key")}
        write_private(SECRETS, json.dumps(generated))
    return dict(json.loads(SECRETS.read_text()))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.touch(0o600)
    file.write_text(text)


def clouds_file(passwords: dict[str, str]) -> str:
    """Return the text of an OpenStack client file; JSON is YAML as well."""
    clouds = {
        name: {
            "auth": {
                "auth_url": f"http://{network.API_ADDRESS}:{KEYSTONE_PORT}/v3",
                "username": user,
                "password": passwords[user],
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": inside.REGION,
            "identity_api_version": 3,
        }
        for name, user in CLOUDS.items()
    }
    return json.dumps({"clouds": clouds}, indent=2) + "\n"


def environment_file(directory: Path, cloud_id: str) -> str:
    """Return the text of the file that shells and make read: NAME=value lines."""
    values = {
        "OS_CLIENT_CONFIG_FILE": str(directory / CLOUD_CLIENT_FILE),
        "OS_CLOUD": next(iter(CLOUDS)),
        "SWARMHUB_REHEARSAL_ID": cloud_id,
        "SWARMHUB_REHEARSAL_ACME": f"https://{network.API_ADDRESS}:{DIRECTORY_PORT}/dir",
        "SWARMHUB_REHEARSAL_NAMESERVER": network.HOST_ADDRESS,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def write_client_files(cloud_id: str, directory: Path = paths.CLIENT) -> None:
    """Write everything a client needs; the cloud must be up."""
    directory.mkdir(exist_ok=True)
    write_private(directory / CLOUD_CLIENT_FILE, clouds_file(load_secrets()))
    (directory / "directory-ca.pem").write_text(DIRECTORY_CA.read_text())
    (directory / "issuer-root.pem").write_text(fetch_issuing_root(network.API_ADDRESS, DIRECTORY_CA))
    (directory / "env").write_text(environment_file(directory, cloud_id))
