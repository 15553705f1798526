"""The secrets of the kind of login: made here, or taken from the stack's encrypted configuration."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.generated import generate_word
from swarmhub import plan as planned
from swarmhub import roster
from swarmhub.settings import (
    ADMIN_PASSWORD_MIN_CHARACTERS,
    USER_PASSWORD_MIN_CHARACTERS,
    LoginKind,
    callback_url,
)

USER_PASSWORD_CHARACTERS = USER_PASSWORD_MIN_CHARACTERS + 4
ADMIN_PASSWORD_CHARACTERS = ADMIN_PASSWORD_MIN_CHARACTERS + 8
SEED_CHARACTERS = 52


@dataclass(frozen=True, kw_only=True)
class LoginSecrets:
    """``files`` are the hub's secrets by name; the rest is for people, None where the kind has no such thing.

    ``probe_password`` is None where the probe cannot log in itself; an entry of ``roster`` has user,
    full_name and password.
    """

    files: dict[str, pulumi.Output[str]]
    probe_password: pulumi.Output[str] | None = None
    user_password: pulumi.Output[str] | None = None
    admin_password: pulumi.Output[str] | None = None
    roster: pulumi.Output[list[dict[str, str]]] | None = None

    def outputs(self, plan: planned.Plan, url: pulumi.Output[str]) -> dict[str, pulumi.Input[object]]:
        """What the stack's outputs say about logging in."""
        hub = plan.settings.hub
        found: dict[str, pulumi.Input[object] | None] = {
            "login": str(hub.login.kind),
            "user_password": self.user_password,
            "admin_user": hub.admins[0],
            "admin_password": self.admin_password,
            "roster": self.roster,
            "callback_url": url.apply(callback_url) if hub.login.kind.by_provider else None,
        }
        return {name: value for name, value in found.items() if value is not None}


def make_login_secrets(name: str, plan: planned.Plan, parent: pulumi.Resource) -> LoginSecrets:
    """Make or take what ``hub.login`` needs; all of it is secret to Pulumi."""
    login = plan.settings.hub.login
    if login.kind is LoginKind.SHARED_PASSWORD:
        user = generate_word(f"{name}-user-password", USER_PASSWORD_CHARACTERS, parent)
        admin = generate_word(f"{name}-admin-password", ADMIN_PASSWORD_CHARACTERS, parent)
        return LoginSecrets(
            files={"user-password": user, "admin-password": admin},
            probe_password=user,
            user_password=user,
            admin_password=admin,
        )
    if login.kind is LoginKind.ROSTER:
        return _from_roster(plan, generate_word(f"{name}-roster-seed", SEED_CHARACTERS, parent))
    assert login.client_secret is not None
    # Read in plain: Pulumi decrypts the section before the program sees it, and forgets that it was secret.
    return LoginSecrets(files={"client-secret": pulumi.Output.secret(login.client_secret)})


def _from_roster(plan: planned.Plan, seed: pulumi.Output[str]) -> LoginSecrets:
    users = [person.user for person in plan.people]
    admin = plan.settings.hub.admins[0]
    return LoginSecrets(
        files={"roster": seed.apply(lambda text: roster.hashes(text, [*users, planned.PROBE_USER]))},
        probe_password=seed.apply(lambda text: roster.password_of(text, planned.PROBE_USER)),
        admin_password=seed.apply(lambda text: roster.password_of(text, admin)),
        roster=seed.apply(
            lambda text: [
                {
                    "user": person.user,
                    "full_name": person.full_name,
                    "password": roster.password_of(text, person.user),
                }
                for person in plan.people
            ]
        ),
    )
