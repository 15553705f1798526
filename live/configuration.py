"""A stack's configuration as Pulumi hands it to its program."""

from __future__ import annotations

import json
from typing import Any

from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env

from swarmhub.errors import Finding, UserError


def read_stack_configuration(project: str) -> dict[str, Any]:
    """Every section of the project's namespace; raises ``UserError`` for one that is not a mapping."""
    raw = {**get_config_env(), **CONFIG.get()}
    sections: dict[str, Any] = {}
    findings = []
    for full_name, value in raw.items():
        namespace, _, name = full_name.partition(":")
        if namespace != project:
            continue
        try:
            sections[name] = json.loads(value)
        except (json.JSONDecodeError, TypeError):
            findings.append(
                Finding(
                    where=name,
                    problem=f"{value!r} is not a mapping",
                    rule="Each section of the stack file is a mapping",
                    remedy=f"Write it as {full_name}: {{key: value, ...}}",
                )
            )
    if findings:
        raise UserError(findings)
    return sections


def read_secret_sections(project: str) -> frozenset[str]:
    """The sections that hold something encrypted; Pulumi hands each over decrypted as a whole."""
    names = (name.partition(":") for name in get_config_secret_keys_env())
    return frozenset(name for namespace, _, name in names if namespace == project)
