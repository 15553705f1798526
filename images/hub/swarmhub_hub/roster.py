"""Login by a roster: every user has a password of their own, known to the hub as a salted hash."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets import Dict, Unicode

from swarmhub_hub.passwords import NOBODY, FailureLimit

# One hash takes a core and some memory; more at once would only slow the hub down.
HASHES_AT_ONCE = 2


class RosterAuthenticator(Authenticator):  # type: ignore[misc]
    """Lets in who is on the roster and knows the password beside the name."""

    roster = Dict(key_trait=Unicode(), help="PasswordHash by user name.", config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._limit = FailureLimit()
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)

    async def authenticate(self, handler: Any, data: Mapping[str, str]) -> str | None:
        """Return the user name, or None; HTTP 429 after too many wrong passwords for one name."""
        name = self.normalize_username(data["username"].strip())
        if (wait := self._limit.wait_seconds(name)) > 0:
            raise web.HTTPError(429, f"Too many wrong passwords for {name}. Try again in {wait:.0f} seconds.")
        # Counted before the answer is known: many tries sent at once count as many.
        self._limit.failed(name)
        known = self.roster.get(name)
        async with self._turns:
            right = await asyncio.to_thread((known or NOBODY).matches, data["password"].strip())
        if known is None or not right:
            return None
        self._limit.succeeded(name)
        return name

    async def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Whoever is on the roster."""
        return username in self.roster
