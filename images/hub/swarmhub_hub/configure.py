"""The hub's own classes and all trait values, put into a traitlets config."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tornado import web
from traitlets.config import Config

from swarmhub_hub.config import ConfigError, Secrets, Settings, load_secrets, load_settings, trait_values
from swarmhub_hub.environments import ChoiceError, Environment, choose
from swarmhub_hub.login import AUTHENTICATORS, ROSTER, may_stay
from swarmhub_hub.orphans import remove_orphans
from swarmhub_hub.passwords import RosterError, read_roster
from swarmhub_hub.roster import RosterAuthenticator
from swarmhub_hub.settled import load_authenticator, settled
from swarmhub_hub.spawner import SwarmHubSpawner


def configure(c: Config, settings_file: Path, secrets_directory: Path) -> None:
    """Set what hub.yaml and the secrets say; ends the hub with sentences when they are wrong."""
    try:
        settings = load_settings(settings_file)
        secrets = load_secrets(secrets_directory, settings.login.kind)
        values = trait_values(settings, secrets)
        c.JupyterHub.authenticator_class = authenticator_of(c, settings, secrets)
    except RosterError as error:
        sys.exit(f"The hub cannot start.\n{secrets_directory}/roster: {error}.")
    except ConfigError as error:
        sys.exit(f"The hub cannot start.\n{error}")
    c.JupyterHub.spawner_class = SwarmHubSpawner
    c.Spawner.apply_user_options = choice_of(settings.user_server.environments)
    for name, value in values.items():
        class_name, trait = name.split(".")
        setattr(c[class_name], trait, value)
    remove_orphans(values["JupyterHub.db_url"])


def authenticator_of(c: Config, settings: Settings, secrets: Secrets) -> type[Any]:
    """The authenticator's class; a roster is put into its trait. Raises RosterError."""
    login = settings.login
    if login.kind == ROSTER:
        roster = read_roster(secrets.login["roster"])
        c.RosterAuthenticator.roster = roster
        return settled(RosterAuthenticator, login, roster.__contains__)
    base = load_authenticator(AUTHENTICATORS.get(login.kind, login.kind))
    return settled(base, login, partial(may_stay, login, probe_user=settings.probe_user))


def choice_of(environments: Sequence[Environment]) -> Callable[[Any, Mapping[str, Any]], None]:
    """A hook that gives a spawner what was chosen; HTTP 400 for what nobody was offered."""

    def apply(spawner: Any, options: Mapping[str, Any]) -> None:
        try:
            chosen = choose(environments, options)
        except ChoiceError as error:
            raise web.HTTPError(400, str(error)) from None
        spawner.image = chosen.image
        spawner.mem_limit = spawner.mem_guarantee = chosen.memory_bytes
        spawner.cpu_limit = chosen.cpus
        spawner.default_url = chosen.default_url

    return apply
