"""``hub.login``: what each kind needs, and how a missing or misplaced key is named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from swarmhub.errors import UserError
from swarmhub.facts import Endpoints, LoginFacts
from swarmhub.plan import make_plan
from swarmhub.settings import Login, LoginKind, read_settings
from swarmhub.text import PROJECT_DIRECTORY, hub_config
from tests.support.stacks import dev_config, facts
from tests.unit.test_docs import alternatives, blocks

SECRET = "c1ient-s3cret"
CLIENT = {"client_id": "hub", "client_secret": SECRET}
ENDPOINTS = Endpoints(
    authorization="https://id.example.org/auth",
    token="https://id.example.org/token",
    userinfo="https://id.example.org/me",
)
# The least that each kind needs.
COMPLETE: dict[LoginKind, dict[str, Any]] = {
    LoginKind.SHARED_PASSWORD: {},
    LoginKind.ROSTER: {"roster_file": "roster.csv"},
    LoginKind.GITHUB: {**CLIENT, "organizations": ["physics"]},
    LoginKind.GOOGLE: {**CLIENT, "allow_all": True},
    LoginKind.CILOGON: {
        **CLIENT,
        "identity_providers": ["https://idp.example.edu/shibboleth"],
        "domains": ["example.edu"],
    },
    LoginKind.GLOBUS: {**CLIENT, "identity_providers": ["example.edu"], "allow_all": True},
    LoginKind.OIDC: {**CLIENT, "issuer_url": "https://id.example.org", "allowed_users": ["grace"]},
}
CALLBACK = "https://hub-{address}.rehearsal.test/hub/oauth_callback"


def read(**login: Any) -> Login:
    return read_settings(dev_config(hub__login=login)).hub.login


def refusal(login: Any, **options: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_settings(dev_config(hub__login=login), **options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("kind", LoginKind)
def test_a_complete_login_is_read(kind: LoginKind) -> None:
    assert read(kind=str(kind), **COMPLETE[kind]).kind is kind


@pytest.mark.parametrize("kind", [kind for kind in LoginKind if kind.by_provider])
def test_a_missing_client_is_explained_with_the_callback_url(kind: LoginKind) -> None:
    without = {name: value for name, value in COMPLETE[kind].items() if not name.startswith("client_")}
    assert refusal({"kind": str(kind), **without}) == [
        (
            f"hub.login.client_id: this key is missing. hub.login.kind is {kind}. "
            f"Register an OAuth client with the callback URL {CALLBACK}, then set its id."
        ),
        (
            f"hub.login.client_secret: this key is missing. hub.login.kind is {kind}. "
            f"Register an OAuth client with the callback URL {CALLBACK}, then run "
            "pulumi config set --secret --path 'swarmhub:hub.login.client_secret'."
        ),
    ]


def test_the_callback_url_of_a_hub_without_a_name_is_told_as_far_as_it_is_known() -> None:
    with pytest.raises(UserError, match="URL https://<the public address>/hub/oauth_callback"):
        read_settings(dev_config(hub__domain="address", hub__login="github"))


def test_a_bare_word_is_a_kind() -> None:
    assert read_settings(dev_config(hub__login="shared-password")).hub.login == Login()
    assert refusal("github")[0].startswith("hub.login.client_id: this key is missing.")
    assert refusal("gihub") == [
        (
            "hub.login.kind: 'gihub' is not one of the choices. Choices: shared-password, roster, github, "
            "google, "
            "cilogon, globus, oidc. Did you mean github?"
        )
    ]


MESSAGES: list[tuple[dict[str, Any], str]] = [
    (
        {"kind": "roster"},
        "hub.login.roster_file: this key is missing. hub.login.kind is roster. Set it.",
    ),
    (
        {"kind": "shared-password", "organizations": ["physics"]},
        (
            "hub.login.organizations: this key has no meaning with kind: shared-password. It belongs to "
            "github. "
            "Remove it, or change hub.login.kind."
        ),
    ),
    (
        {"kind": "github", **CLIENT},
        (
            "hub.login: nobody but the administrators could log in. "
            "With kind: github these keys let people in: allow_all, allowed_users, organizations. Set one "
            "of them."
        ),
    ),
    (
        {
            "kind": "globus",
            **CLIENT,
            "allow_all": True,
            "identity_providers": ["example.edu", "example.org"],
        },
        (
            "hub.login.identity_providers: 2 institutions are given. "
            "Globus logins of one institution alone have distinct user names. Leave one, or use kind: "
            "cilogon."
        ),
    ),
    (
        {"kind": "google", **CLIENT, "domains": ["example.edu"]},
        (
            "hub.login.domains: ada could not log in. A user name is the whole address, and with domains "
            "those of "
            "other domains are refused. "
            "Add its domain, or remove the name from hub.admins and hub.login.allowed_users."
        ),
    ),
    (
        {"kind": "oidc", **CLIENT, "allow_all": True, "issuer_url": "http://id.example.org"},
        (
            "hub.login.issuer_url: 'http://id.example.org' is not accepted. It is a URL that begins with "
            "https://. "
            "Set hub.login.issuer_url to such a value."
        ),
    ),
]


@pytest.mark.parametrize(("login", "message"), MESSAGES, ids=[message[:40] for _, message in MESSAGES])
def test_a_contradiction_is_named_with_its_remedy(login: dict[str, Any], message: str) -> None:
    assert refusal(login) == [message]


def test_a_secret_in_plain_is_refused_and_not_shown() -> None:
    login = {"kind": "github", **COMPLETE[LoginKind.GITHUB]}
    assert refusal(login, secret_sections=()) == [
        (
            "hub.login.client_secret: it stands unencrypted in the stack file. Remove it there, run "
            "pulumi config set --secret --path 'swarmhub:hub.login.client_secret', "
            "and have the provider make a new one."
        )
    ]


@pytest.mark.parametrize("value", [f"{SECRET} ", 5, ["x"], {"secure": SECRET}])
def test_a_broken_secret_is_not_shown(value: Any) -> None:
    lines = refusal({"kind": "github", **COMPLETE[LoginKind.GITHUB], "client_secret": value})
    assert lines[0].startswith("hub.login.client_secret: its value is not accepted.")
    assert SECRET not in "".join(lines)


def test_settings_do_not_show_the_secret() -> None:
    settings = read_settings(dev_config(hub__login={"kind": "github", **COMPLETE[LoginKind.GITHUB]}))
    assert settings.hub.login.client_secret == SECRET
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("kind", LoginKind)
def test_the_hubs_yaml_holds_no_secret_and_all_that_the_hub_wants(kind: LoginKind) -> None:
    settings = read_settings(dev_config(hub__login={"kind": str(kind), **COMPLETE[kind]}))
    endpoints = ENDPOINTS if kind is LoginKind.OIDC else None
    plan = make_plan(settings, facts(), "dev", LoginFacts(endpoints=endpoints))
    rendered = hub_config(plan, "hub.example.org", "10.20.0.11")
    assert SECRET not in rendered
    login = yaml.safe_load(rendered)["login"]
    assert (login["provider"] is not None) == kind.by_provider
    assert login["allow_all"] is (kind in (LoginKind.SHARED_PASSWORD, LoginKind.GOOGLE, LoginKind.GLOBUS))
    if kind is LoginKind.OIDC:
        assert login["provider"]["token_url"] == "https://id.example.org/token"
        assert login["provider"]["username_claim"] == "preferred_username"


def test_names_beside_a_shared_password_close_the_hub_to_others() -> None:
    settings = read_settings(dev_config(hub__login={"kind": "shared-password", "allowed_users": ["grace"]}))
    rendered = hub_config(make_plan(settings, facts(), "dev"), "hub.example.org", "10.20.0.11")
    assert yaml.safe_load(rendered)["login"]["allow_all"] is False


def test_groups_are_read_as_written() -> None:
    settings = read_settings(dev_config(hub__groups={"instructors": ["ada", "grace"]}))
    assert settings.hub.groups == (("instructors", ("ada", "grace")),)
    rendered = hub_config(make_plan(settings, facts(), "dev"), "hub.example.org", "10.20.0.11")
    assert yaml.safe_load(rendered)["login"]["groups"] == {"instructors": ["ada", "grace"]}


def test_the_documentation_shows_every_kind() -> None:
    text = (PROJECT_DIRECTORY / "docs" / "how-to" / "logins.md").read_text()
    parts = [part for block in blocks(text, "yaml") for part in alternatives(block)]
    logins = [yaml.safe_load(part)["swarmhub:hub"]["login"] for part in parts]
    kinds = [login["kind"] if isinstance(login, dict) else login for login in logins]
    assert kinds == [str(kind) for kind in LoginKind]
