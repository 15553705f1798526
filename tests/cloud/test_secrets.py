"""Every secret of a deployed stack, looked for in its state, logs, process lists and Docker's answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from openstack.connection import Connection

from rehearsal.paths import CLIENT
from scripts.stack import Stack
from swarmhub.plan import FRONT_DOOR_STATE_DIRECTORY, HUB_STATE_DIRECTORY
from swarmhub.text import CERTIFICATE_DIRECTORY
from tests.cloud.conftest import CLOUD
from tests.cloud.inventory import read_consoles
from tests.cloud.machines import find_machines
from tests.support.phases import Phases
from tests.support.secrecy import (
    LOOK,
    SECTIONS,
    SECTIONS_OF_A_MANAGER,
    export_in_plain,
    generated_secrets,
    hits,
    lines_of,
    sections,
)

# Every generated word, the host keys, the join token, the operator's key.
SECRETS_AT_LEAST = 8

# What the machines made themselves and keep in files for root alone.
KEPT = f"""
cat {CERTIFICATE_DIRECTORY}/privkey.pem {HUB_STATE_DIRECTORY}/jupyterhub_cookie_secret
find {FRONT_DOOR_STATE_DIRECTORY}/acme -name private_key.json -exec cat {{}} + |
  grep -o '"d": *"[^"]*"' | cut -d '"' -f 4
"""


@pytest.fixture(scope="module")
def secrets(deployed: Stack) -> dict[str, str]:
    """Every line that nobody may see, and which resource it is of."""
    outputs = deployed.outputs()
    marked = {name: str(outputs[name]) for name in ("user_password", "admin_password")}
    marked |= generated_secrets(export_in_plain(deployed))
    machines = find_machines(deployed)
    marked["operator's key"] = Path(machines["manager"].reached.private_key_file).read_text()
    marked["made on the manager"] = machines["manager"].run(KEPT)
    marked["cloud password"] = read_cloud_password()
    marked["passphrase"] = Path(deployed.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text()
    return {line: where for where, text in marked.items() for line in lines_of(text)}


def read_cloud_password() -> str:
    clouds = yaml.safe_load((CLIENT / "clouds.yaml").read_text())["clouds"]
    return str(clouds[CLOUD]["auth"]["password"])


def test_there_are_secrets_to_look_for(secrets: dict[str, str]) -> None:
    kinds = {where.partition(".")[0] for where in secrets.values()}
    wanted = {"hub-user-password", "hub-admin-password", "hub-probe-token", "hub-proxy-token"}
    wanted |= {"swarm-manager", "manager-host-key", "worker-1-host-key", "operator's key"}
    wanted |= {"made on the manager", "cloud password", "passphrase"}
    assert wanted <= kinds
    assert any(secret.startswith("SWMTKN-") for secret in secrets)
    assert len(secrets) >= SECRETS_AT_LEAST


def test_a_secret_that_stands_somewhere_is_found(secrets: dict[str, str]) -> None:
    secret = next(iter(secrets))
    assert hits(secrets, f"== journal\nx {secret} y", "manager") == [
        f"{secrets[secret]} in manager == journal"
    ]


def test_no_secret_is_plain_in_the_state_or_a_log(deployed: Stack, secrets: dict[str, str]) -> None:
    passphrase = Path(deployed.environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    files = [path for path in deployed.state.rglob("*") if path.is_file() and path != passphrase]
    files = [path for path in files if "ssh" not in path.parts]
    assert any(path.suffix == ".json" and "stacks" in path.parts for path in files)
    assert any(path.suffix == ".log" for path in files)
    found = [
        hit
        for path in files
        for hit in hits(
            secrets, path.read_bytes().decode(errors="replace"), str(path.relative_to(deployed.state))
        )
    ]
    assert found == []


def test_no_secret_is_seen_on_a_machine(deployed: Stack, secrets: dict[str, str], phases: Phases) -> None:
    found = []
    for name, machine in find_machines(deployed).items():
        with phases.phase(f"look for secrets on {name}"):
            text = machine.run(LOOK, check=False, timeout_seconds=600)
        looked_at = {section for section, content in sections(text).items() if content.strip()}
        if name == "manager":
            # Docker shows a config in base64 where it is not asked for better.
            assert "user_server:" in sections(text)["config"]
        wanted = SECTIONS | (SECTIONS_OF_A_MANAGER if name == "manager" else set())
        assert looked_at >= wanted, f"{name}: too little was looked at"
        found += hits(secrets, text, name)
    assert found == []


def test_no_secret_is_on_a_console(connection: Connection, secrets: dict[str, str]) -> None:
    consoles = read_consoles(connection)
    assert all(consoles.values())
    assert [hit for name, text in consoles.items() for hit in hits(secrets, text, name)] == []
