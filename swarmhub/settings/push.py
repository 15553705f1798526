"""The registry of a site that gets what `up` builds."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.errors import Finding
from swarmhub.settings.keys import ChangeEffect, key, secret_text, text

PUSH_KEY = "hub.images.push"
PASSWORD_KEY = f"{PUSH_KEY}.password"
SET_PASSWORD = f"pulumi config set --secret --path 'swarmhub:{PASSWORD_KEY}'"
# Docker takes the first part of a name for a host only when there is a dot or a port in it.
REPOSITORY = text(
    "It is the host name of a registry and a path in it, such as registry.example.org/spring-school",
    r"(?=[^/]*[.:])[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
)


@dataclass(frozen=True, kw_only=True)
class Push:
    """A registry that gets every image which `up` builds, for other stacks to name."""

    repository: str = key(
        REPOSITORY,
        "Registry and path, such as registry.example.org/spring-school, below which each image has its name",
        change=ChangeEffect.IN_PLACE,
    )
    user: str | None = key(
        text("It is an account's name without spaces", r"\S+"),
        "Account at the registry; without it, nobody logs in",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    password: str | None = key(
        secret_text(PASSWORD_KEY),
        "Password or token of that account, set encrypted",
        change=ChangeEffect.IN_PLACE,
        default=None,
        secret=True,
    )

    def contradictions(self) -> list[Finding]:
        """An account takes both of its keys."""
        if self.user and not self.password:
            return [
                Finding(
                    where=PASSWORD_KEY,
                    problem="this key is missing",
                    rule=f"{PUSH_KEY}.user is {self.user}",
                    remedy=f"Run {SET_PASSWORD}",
                )
            ]
        if self.password and not self.user:
            return [
                Finding(
                    where=f"{PUSH_KEY}.user",
                    problem="this key is missing",
                    rule=f"{PASSWORD_KEY} is set",
                    remedy="Set it to the account that the password is of",
                )
            ]
        return []

    def name_of(self, image: str) -> str:
        """What an image is called there."""
        return f"{self.repository}/{image.rpartition('/')[2]}"
