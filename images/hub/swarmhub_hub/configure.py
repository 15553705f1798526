"""The hub's own classes and all trait values, put into a traitlets config."""

from __future__ import annotations

import sys
from pathlib import Path

from traitlets.config import Config

from swarmhub_hub.config import ConfigError, load_secrets, load_settings, trait_values
from swarmhub_hub.login import ROSTER
from swarmhub_hub.passwords import RosterError, read_roster
from swarmhub_hub.roster import RosterAuthenticator
from swarmhub_hub.spawner import SwarmHubSpawner


def configure(c: Config, settings_file: Path, secrets_directory: Path) -> None:
    """Set what hub.yaml and the secrets say; ends the hub with sentences when they are wrong."""
    try:
        settings = load_settings(settings_file)
        secrets = load_secrets(secrets_directory, settings.login.kind)
        values = trait_values(settings, secrets)
        if settings.login.kind == ROSTER:
            c.JupyterHub.authenticator_class = RosterAuthenticator
            c.RosterAuthenticator.roster = read_roster(secrets.login["roster"])
    except RosterError as error:
        sys.exit(f"The hub cannot start.\n{secrets_directory}/roster: {error}.")
    except ConfigError as error:
        sys.exit(f"The hub cannot start.\n{error}")
    c.JupyterHub.spawner_class = SwarmHubSpawner
    for name, value in values.items():
        class_name, trait = name.split(".")
        setattr(c[class_name], trait, value)
