"""Logins at sites that no test reaches: the real hub starts with each and sends people where it should."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from yarl import URL

from swarmhub.text import hub_config
from tests.hub.programs import Programs
from tests.hub.running import Rig
from tests.support.stacks import dev_plan

CLIENT_ID, CLIENT_SECRET = "client-of-the-course", "a-secret-of-the-course"
UNIVERSITY = "https://idp.example.edu/shibboleth"
# By kind: what the stack file says, where people are sent, and what else is asked for there.
SITES: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "github": ({"organizations": ["physics-course"]}, "https://github.com/login/oauth/authorize", {}),
    "google": ({"domains": ["example.edu"]}, "https://accounts.google.com/o/oauth2/v2/auth", {}),
    "cilogon": (
        {"identity_providers": [UNIVERSITY], "allow_all": True},
        "https://cilogon.org/authorize",
        {"selected_idp": UNIVERSITY},
    ),
    "globus": (
        {"identity_providers": ["example.edu"], "allow_all": True},
        "https://auth.globus.org/v2/oauth2/authorize",
        {},
    ),
}


async def follow_button(hub: Rig) -> tuple[str, URL]:
    """The login page, and where its button leads."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{hub.url}/hub/login") as page:
            text = await page.text()
        async with http.get(f"{hub.url}/hub/oauth_login", allow_redirects=False) as answer:
            assert answer.status == 302
            return text, URL(answer.headers["Location"])


@pytest.mark.parametrize("kind", SITES)
def test_people_are_sent_to_the_site_and_back_to_this_hub(
    kind: str, programs: Programs, tmp_path: Path
) -> None:
    given, site, asked = SITES[kind]
    login = {"kind": kind, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **given}
    plan = dev_plan(hub__login=login, hub__admins=["ada@example.edu"], hub__groups={})
    document = yaml.safe_load(hub_config(plan, "hub.example.org", "10.20.0.11"))
    rig = Rig(programs=programs, directory=tmp_path)
    with rig.hub(document, {"client-secret": CLIENT_SECRET}) as hub:
        page, leads_to = asyncio.run(follow_button(hub))
    assert "Sign in with" in page
    assert str(leads_to.with_query(None)) == site
    wanted = {"client_id": CLIENT_ID, "redirect_uri": f"{rig.url}/hub/oauth_callback", **asked}
    assert {name: leads_to.query.get(name) for name in wanted} == wanted
    assert CLIENT_SECRET not in rig.log() + str(leads_to) + page
