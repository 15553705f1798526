"""The environment in which this checkout's Pulumi runs: its home, its state, its passphrase."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from scripts.paths import STATE, VIRTUALENV
from scripts.toolchain import Installation

PASSPHRASE_BYTES = 24


def find_own_login(environment: Mapping[str, str], home: Path) -> Path | None:
    """The directory of the user's own Pulumi credentials when he is logged in to a backend."""
    places = [environment.get("PULUMI_CREDENTIALS_PATH"), environment.get("PULUMI_HOME"), home / ".pulumi"]
    for place in places:
        if not place:
            continue
        try:
            credentials = json.loads((Path(place) / "credentials.json").read_text())
        except (OSError, ValueError):
            continue
        if credentials.get("current"):
            return Path(place)
    return None


def ensure_passphrase(path: Path) -> Path:
    """Make the passphrase file of this checkout's stacks, mode 0600, unless it is there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(PASSPHRASE_BYTES) + "\n")
    return path


def pulumi_environment(
    installation: Installation,
    environment: Mapping[str, str],
    *,
    state: Path = STATE,
    virtualenv: Path = VIRTUALENV,
    home: Path | None = None,
) -> dict[str, str]:
    """``environment`` with what Pulumi needs; a backend or passphrase the user has set himself stays."""
    path = [str(virtualenv / "bin"), str(installation.binary.parent), environment.get("PATH", os.defpath)]
    result = dict(environment) | {
        "PATH": os.pathsep.join(path),
        "PULUMI_HOME": str(installation.home),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }
    if "PULUMI_BACKEND_URL" not in environment:
        if own_login := find_own_login(environment, home or Path.home()):
            result["PULUMI_CREDENTIALS_PATH"] = str(own_login)
        else:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            result["PULUMI_BACKEND_URL"] = f"file://{state}"
    if not environment.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
        result["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(ensure_passphrase(state / "passphrase"))
    return result


def read_client_environment(path: Path) -> dict[str, str]:
    """The NAME=value lines that the rehearsal cloud writes for its clients; empty when it wrote none."""
    if not path.is_file():
        return {}
    words = shlex.split(path.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)
