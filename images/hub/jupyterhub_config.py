"""JupyterHub's configuration file: everything comes from hub.yaml and the secret files."""

import sys
from pathlib import Path

from swarmhub_hub.config import ConfigError, load_secrets, load_settings, trait_values
from swarmhub_hub.spawner import SwarmHubSpawner

SETTINGS_FILE = Path("/srv/jupyterhub/config/hub.yaml")
SECRETS_DIRECTORY = Path("/run/secrets")

c = get_config()  # type: ignore[name-defined]  # noqa: F821
try:
    values = trait_values(load_settings(SETTINGS_FILE), load_secrets(SECRETS_DIRECTORY))
except ConfigError as error:
    sys.exit(f"The hub cannot start.\n{error}")

c.JupyterHub.spawner_class = SwarmHubSpawner
for name, value in values.items():
    class_name, trait = name.split(".")
    setattr(c[class_name], trait, value)
