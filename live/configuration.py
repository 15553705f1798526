"""A stack's configuration as Pulumi hands it to its program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env

from live.pulumi import ask, selected_stack
from swarmhub.errors import Finding, UserError

PROJECT = "swarmhub"


def read_stack_configuration(project: str) -> dict[str, Any]:
    """Every section of the project's namespace. What is no mapping is left for read_settings to refuse."""
    raw = {**get_config_env(), **CONFIG.get()}
    sections: dict[str, Any] = {}
    for full_name, value in raw.items():
        namespace, _, name = full_name.partition(":")
        if namespace != project:
            continue
        try:
            sections[name] = json.loads(value)
        except (ValueError, TypeError, RecursionError):
            sections[name] = value
    return sections


def read_secret_sections(project: str) -> frozenset[str]:
    """The sections that hold something encrypted; Pulumi hands each over decrypted as a whole."""
    names = (name.partition(":") for name in get_config_secret_keys_env())
    return frozenset(name for namespace, _, name in names if namespace == project)


def read_configuration_of(stack: str | None) -> tuple[str, dict[str, Any]]:
    """A stack's name and its sections, secrets in plain, from Pulumi's own command. Raises UserError."""
    name = stack or selected_stack()
    listed = json.loads(ask(["config", "--json", "--show-secrets", "--stack", name]))
    return name, {
        full_name.partition(":")[2]: entry.get("objectValue", entry.get("value"))
        for full_name, entry in listed.items()
        if full_name.startswith(f"{PROJECT}:")
    }


def read_stack_file(path: Path) -> tuple[str, dict[str, Any]]:
    """The stack's name and the sections of a stack file. Raises UserError."""
    try:
        plain = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        finding = Finding(
            where=str(path), problem=problem, remedy="Name a file like sites/Pulumi.jetstream2.yaml"
        )
        raise UserError([finding]) from None
    config = plain.get("config") if isinstance(plain, dict) else None
    if not isinstance(config, dict):
        finding = Finding(where=str(path), problem="it has no mapping config:", remedy="See Pulumi.dev.yaml")
        raise UserError([finding])
    sections = {str(name).removeprefix(f"{PROJECT}:"): value for name, value in config.items()}
    return path.stem.removeprefix("Pulumi."), json.loads(json.dumps(sections, default=str))
