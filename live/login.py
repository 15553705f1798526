"""What ``hub.login`` needs besides the stack file: the roster file and the provider's discovery document."""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmhub.errors import Finding, UserError
from swarmhub.facts import Endpoints, LoginFacts
from swarmhub.roster import Person, read_roster
from swarmhub.settings import Login, LoginKind
from swarmhub.text import PROJECT_DIRECTORY

DISCOVERY_SECONDS = 20.0
DISCOVERY_PATH = "/.well-known/openid-configuration"


def read_login_facts(login: Login) -> LoginFacts:
    """Read what this kind of login needs. Raises UserError."""
    if login.kind is LoginKind.ROSTER and login.roster_file:
        return LoginFacts(people=read_people(login.roster_file))
    if login.kind is LoginKind.OIDC and login.issuer_url:
        return LoginFacts(endpoints=asyncio.run(discover(login.issuer_url)))
    return LoginFacts()


def read_people(file: str) -> tuple[Person, ...]:
    """Read the roster file, relative to the project's directory or absolute. Raises UserError."""
    try:
        text = (PROJECT_DIRECTORY / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        finding = Finding(
            where="hub.login.roster_file",
            problem=f"{file!r} cannot be read ({reason})",
            rule=f"It is relative to {PROJECT_DIRECTORY}, or absolute",
            remedy="Write the file, one user name a line",
        )
        raise UserError([finding]) from None
    return read_roster(text, Path(file).name)


async def discover(issuer_url: str) -> Endpoints:
    """Ask an OpenID Connect provider where it is talked to (Discovery 1.0, section 4). Raises UserError."""
    # Most stacks have no such provider, and every `up` would spend a tenth of a second on the library.
    import aiohttp

    url = f"{issuer_url}{DISCOVERY_PATH}"
    try:
        timeout = aiohttp.ClientTimeout(total=DISCOVERY_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http, http.get(url) as response:
            if response.status != 200:
                raise _no_provider(f"{url} answers HTTP {response.status}")
            document = await response.json(content_type=None)
        if document["issuer"].rstrip("/") != issuer_url:
            raise _no_provider(f"{url} is of another issuer, {document['issuer']}")
        return Endpoints(
            authorization=document["authorization_endpoint"],
            token=document["token_endpoint"],
            userinfo=document["userinfo_endpoint"],
        )
    except KeyError as error:
        raise _no_provider(f"{url} says nothing of {error.args[0]}") from None
    except (ValueError, TypeError, AttributeError):
        raise _no_provider(f"{url} is not a JSON mapping") from None
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _no_provider(f"{url} cannot be read ({error or type(error).__name__})") from None


def _no_provider(problem: str) -> UserError:
    finding = Finding(
        where="hub.login.issuer_url",
        problem=problem,
        remedy="Check the URL: the provider's documentation calls it issuer",
    )
    return UserError([finding])
