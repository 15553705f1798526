"""The roster: people by name, each with a password of their own.

All passwords come from one seed that the stack keeps, so that a name added or removed changes nobody else's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from swarmhub.errors import Finding, UserError
from swarmhub.settings.keys import ACCOUNT, Refused

# No l, o, 0 or 1: people type these from paper. 32 characters are 5 bits each.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
PASSWORD_CHARACTERS = 12
# The passwords are 60 random bits, which no cost is needed to protect; this one takes about 10 ms.
SCRYPT = {"n": 2**12, "r": 8, "p": 1}
SALT_BYTES = 16
KEY_BYTES = 32
# What one Docker secret holds (moby, swarmkit api/validation: 500 KiB), at some 150 bytes a name.
MOST_PEOPLE = 2000


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody on the roster."""

    user: str
    full_name: str = ""


def read_roster(text: str, file: str) -> tuple[Person, ...]:
    """Read one user name a line, a full name after a comma; ``#`` begins a comment.

    Raises UserError with every line that is wrong.
    """
    people: dict[str, Person] = {}
    findings = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        user, _, full_name = line.partition("#")[0].partition(",")
        if not user.strip() and not full_name.strip():
            continue
        try:
            person = Person(user=ACCOUNT(user.strip()), full_name=full_name.strip().strip('"'))
        except Refused as refused:
            findings.append(
                Finding(
                    where=f"{file}, line {number}",
                    problem=refused.problem,
                    rule=refused.rule,
                    remedy="Write the name to log in with, then a comma and the full name if you like",
                )
            )
            continue
        if person.user in people:
            findings.append(
                Finding(
                    where=f"{file}, line {number}",
                    problem=f"{person.user} is named twice",
                    remedy="Leave one",
                )
            )
        people[person.user] = person
    if not people and not findings:
        findings.append(Finding(where=file, problem="it names nobody", remedy="Write one user name a line"))
    if len(people) > MOST_PEOPLE:
        findings.append(
            Finding(
                where=file,
                problem=f"it names {len(people)} people",
                rule=f"A roster has room for {MOST_PEOPLE}",
                remedy="Shorten it, or let people log in with a login provider",
            )
        )
    if findings:
        raise UserError(findings)
    return tuple(people.values())


def derive(seed: str, purpose: str, user: str) -> bytes:
    """32 bytes that nobody without the seed can tell from random ones."""
    return hmac.digest(seed.encode(), f"{purpose}\0{user}".encode(), "sha256")


def password_of(seed: str, user: str) -> str:
    """A person's password: letters and digits that are hard to confuse."""
    return "".join(ALPHABET[byte % 32] for byte in derive(seed, "password", user)[:PASSWORD_CHARACTERS])


def hash_of(seed: str, user: str) -> str:
    """The password as the hub knows it: ``scrypt$n$r$p$salt$key``, salt and key in base64."""
    salt = derive(seed, "salt", user)[:SALT_BYTES]
    key = hashlib.scrypt(
        password_of(seed, user).encode(),
        salt=salt,
        n=SCRYPT["n"],
        r=SCRYPT["r"],
        p=SCRYPT["p"],
        dklen=KEY_BYTES,
    )
    encoded = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(["scrypt", *(str(cost) for cost in SCRYPT.values()), *encoded])


def hashes(seed: str, users: Iterable[str]) -> str:
    """The hub's secret: JSON of user names and hashes, the same for the same seed and names."""
    names = sorted(set(users))
    with ThreadPoolExecutor() as threads:
        found = threads.map(lambda name: hash_of(seed, name), names)
        return json.dumps(dict(zip(names, found, strict=True)), indent=0)
