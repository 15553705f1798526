"""Names of Docker services, volumes and folders, made from user names.

The storage machine has this file as well: its quota reconciler finds a person's folder by it.
"""

from __future__ import annotations

import hashlib
import string

SAFE = frozenset(string.ascii_lowercase + string.digits)
ESCAPE = "-"
# A host name's label has 63 characters, and `user-` comes before it.
ESCAPED_MAX = 58
HASH_LENGTH = 16
# What every folder's name matches; nothing else is taken for a home.
FOLDER = r"[a-z0-9-]{1,58}"


def encode(name: str) -> bytes:
    """UTF-8, also of what is no proper text: a name from JSON can hold half a character."""
    return name.encode(errors="surrogatepass")


def escape(name: str) -> str:
    """Turn any name into letters, digits and ``-xx``, at most 58 characters, different for different names.

    What is too long keeps its beginning, then ``--`` (which escaping never makes) and a hash.
    """
    escaped = "".join(
        character if character in SAFE else "".join(f"{ESCAPE}{byte:02x}" for byte in encode(character))
        for character in name
    )
    if len(escaped) <= ESCAPED_MAX:
        return escaped
    digest = hashlib.sha256(encode(name)).hexdigest()[:HASH_LENGTH]
    return escaped[: ESCAPED_MAX - HASH_LENGTH - 2].rstrip(ESCAPE) + ESCAPE * 2 + digest


def user_service(user: str, server: str = "") -> str:
    """Name the Docker service of a user's server; a slash cannot be part of a user's name."""
    return "user-" + escape(f"{user}/{server}" if server else user)
