"""Passwords as salted hashes, and how often a wrong one may be tried. No part of it needs a hub."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES_ALLOWED = 10
FAILURES_FORGOTTEN_AFTER_SECONDS = 60.0
COST_LIMIT = 2**20


class RosterError(ValueError):
    """A roster the hub cannot use; the text holds no hash."""


@dataclass(frozen=True, kw_only=True)
class PasswordHash:
    """``scrypt$n$r$p$salt$key``, taken apart."""

    n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Raises ValueError."""
        kind, n, r, p, salt, key = text.split("$")
        parsed = cls(
            n=int(n),
            r=int(r),
            p=int(p),
            salt=base64.b64decode(salt, validate=True),
            key=base64.b64decode(key, validate=True),
        )
        if kind != "scrypt" or not 0 < parsed.n * parsed.r * parsed.p <= COST_LIMIT or len(parsed.key) < 16:
            raise ValueError("not a hash this hub reads")
        return parsed

    def matches(self, password: str) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        key = hashlib.scrypt(
            password.encode(), salt=self.salt, n=self.n, r=self.r, p=self.p, dklen=len(self.key)
        )
        return hmac.compare_digest(key, self.key)


# Compared with where a name is unknown, so that the answer takes as long.
NOBODY = PasswordHash(n=2**12, r=8, p=1, salt=b"\0" * 16, key=b"\0" * 32)


def read_roster(text: str) -> dict[str, PasswordHash]:
    """Read the secret: JSON of names and hashes. Raises RosterError."""
    try:
        entries = json.loads(text)
        return {str(name): PasswordHash.parse(entry) for name, entry in entries.items()}
    except (ValueError, AttributeError, TypeError):
        raise RosterError("it is not a JSON mapping of user names to scrypt hashes") from None


class FailureLimit:
    """Counts wrong passwords by name; names beyond ``most_names`` push out the oldest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_names: int = 10_000) -> None:
        self._clock, self._most_names = clock, most_names
        self._failures: dict[str, tuple[int, float]] = {}

    def wait_seconds(self, name: str) -> float:
        """How long until this name may try again; 0 when it may now."""
        count, last = self._failures.get(name, (0, 0.0))
        left = last + FAILURES_FORGOTTEN_AFTER_SECONDS - self._clock()
        if left <= 0:
            self._failures.pop(name, None)
            return 0.0
        return left if count >= FAILURES_ALLOWED else 0.0

    def failed(self, name: str) -> None:
        """Note a wrong password."""
        count, _ = self._failures.pop(name, (0, 0.0))
        self._failures[name] = (count + 1, self._clock())
        while len(self._failures) > self._most_names:
            self._failures.pop(next(iter(self._failures)))

    def succeeded(self, name: str) -> None:
        """Forget the wrong ones."""
        self._failures.pop(name, None)
