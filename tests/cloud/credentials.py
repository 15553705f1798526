"""Application credentials, as a user makes them on a cloud's web pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openstack.connection import Connection

from rehearsal.paths import CLIENT
from tests.cloud.conftest import CLOUD


@contextmanager
def application_credential(
    connection: Connection, directory: Path, name: str, **properties: str
) -> Iterator[Path]:
    """Have one for a while; gives a clouds.yaml in the directory whose entry has it."""
    identity: Any = connection.identity
    made = identity.create_application_credential(connection.current_user_id, name=name, **properties)
    try:
        clouds = json.loads((CLIENT / "clouds.yaml").read_text())
        entry = clouds["clouds"][CLOUD]
        entry["auth_type"] = "v3applicationcredential"
        entry["auth"] = {
            "auth_url": entry["auth"]["auth_url"],
            "application_credential_id": made.id,
            "application_credential_secret": made.secret,
        }
        file = directory / "clouds.yaml"
        file.write_text(json.dumps(clouds))
        yield file
    finally:
        identity.delete_application_credential(connection.current_user_id, made.id)
