"""Logins on the hub's side: the section of hub.yaml, and the traits each kind sets."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from swarmhub_hub.login import KINDS, SECRETS_OF_KIND, Login, login_traits, may_stay, parse_login
from swarmhub_hub.sections import Section

from swarmhub.settings import LoginKind

PROVIDER: dict[str, Any] = {
    "client_id": "hub",
    "organizations": [],
    "domains": ["example.edu"],
    "identity_providers": ["https://idp.example.edu/shibboleth"],
    "username_claim": "email",
    "service_name": "Example",
    "authorize_url": "https://id.example.org/auth",
    "token_url": "https://id.example.org/token",
    "userinfo_url": "https://id.example.org/me",
}
DOCUMENT: dict[str, Any] = {
    "kind": "oidc",
    "admins": ["ada"],
    "groups": {"instructors": ["ada", "grace"]},
    "allowed_users": ["grace"],
    "allow_all": False,
    "provider": PROVIDER,
}
SECRETS = {"client-secret": "s3cret", "user-password": "u" * 12, "admin-password": "a" * 32}


def parse(**changes: Any) -> tuple[Login, list[str]]:
    problems: list[str] = []
    return parse_login(Section("login", copy.deepcopy(DOCUMENT) | changes, problems)), problems


def traits(**changes: Any) -> dict[str, Any]:
    login, problems = parse(**changes)
    assert problems == []
    return login_traits(login, SECRETS, public_url="https://hub.example.org", probe_user="swarmhub-probe")


def test_both_sides_know_the_same_kinds() -> None:
    assert set(KINDS) == set(LoginKind) == set(SECRETS_OF_KIND)


def test_a_provider_is_needed_where_the_hub_keeps_no_passwords() -> None:
    _, problems = parse(provider=None)
    assert problems == ["login.provider: is null, but kind is oidc. It must be a mapping."]


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_decide_who_is_let_in(kind: str) -> None:
    values = traits(kind=kind)
    assert values["Authenticator.allow_existing_users"] is False
    assert values["Authenticator.admin_users"] == {"ada"}
    assert values["Authenticator.allow_all"] is (kind == "google")


def test_a_shared_password_with_names_lets_the_probe_in_too() -> None:
    assert traits(kind="shared-password", provider=None)["Authenticator.allowed_users"] == {
        "ada",
        "grace",
        "swarmhub-probe",
    }
    assert traits(kind="shared-password", allow_all=True)["Authenticator.allowed_users"] == set()


@pytest.mark.parametrize("kind", ["github", "google", "cilogon", "globus", "oidc"])
def test_providers_get_the_client_and_the_way_back(kind: str) -> None:
    values = traits(kind=kind)
    assert values["OAuthenticator.client_secret"] == "s3cret"
    assert values["OAuthenticator.oauth_callback_url"] == "https://hub.example.org/hub/oauth_callback"


def test_google_names_keep_their_domain_however_many_there_are() -> None:
    assert traits(kind="google")["GoogleOAuthenticator.strip_domain"] is False


def test_private_memberships_of_an_organisation_count() -> None:
    values = traits(kind="github", provider=PROVIDER | {"organizations": ["physics"]})
    assert values["GitHubOAuthenticator.scope"] == ["read:org"]
    assert values["GitHubOAuthenticator.allowed_organizations"] == {"physics"}


@pytest.mark.parametrize(
    ("name", "admin", "groups"),
    [("ada", True, ["instructors"]), ("grace", False, ["instructors"]), ("mary", False, [])],
)
def test_every_login_settles_admin_and_groups(name: str, admin: bool, groups: list[str]) -> None:
    hook = traits()["Authenticator.post_auth_hook"]
    model = {"name": name, "admin": True, "auth_state": None, "groups": ["staff"]}
    assert hook(None, None, model) == {"name": name, "admin": admin, "auth_state": None, "groups": groups}


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({"provider": PROVIDER | {"domains": []}}, {"ada", "grace", "swarmhub-probe"}),
        ({}, {"ada", "grace", "mary", "swarmhub-probe"}),
        (
            {"allow_all": True, "provider": None, "kind": "shared-password"},
            {"ada", "grace", "mary", "swarmhub-probe"},
        ),
        ({"allowed_users": [], "provider": None, "kind": "shared-password"}, {"ada", "swarmhub-probe"}),
    ],
)
def test_who_is_logged_in_stays_as_far_as_the_names_tell(changes: dict[str, Any], stays: set[str]) -> None:
    login, _ = parse(**changes)
    names = {"ada", "grace", "mary", "swarmhub-probe"}
    assert {name for name in names if may_stay(login, name, probe_user="swarmhub-probe")} == stays
