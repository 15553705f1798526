"""How users log in: the section ``login`` of hub.yaml, its secrets, and the traits that they set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmhub_hub.sections import Section

SHARED_PASSWORD = "shared-password"
ROSTER = "roster"
# JupyterHub's names of the authenticators (entry points of jupyterhub and of oauthenticator).
AUTHENTICATORS = {
    "github": "github",
    "google": "google",
    "cilogon": "cilogon",
    "globus": "globus",
    "oidc": "generic-oauth",
}
REFUSAL = "This account may not use this hub. Ask the organisers to add it."
KINDS = (SHARED_PASSWORD, ROSTER, *AUTHENTICATORS)

USER_PASSWORD_MIN_LENGTH = 8
ADMIN_PASSWORD_MIN_LENGTH = 32
# The files of /run/secrets that each kind needs, with the least length of each.
SECRETS_OF_KIND = {
    SHARED_PASSWORD: {
        "user-password": USER_PASSWORD_MIN_LENGTH,
        "admin-password": ADMIN_PASSWORD_MIN_LENGTH,
    },
    ROSTER: {"roster": len("{}")},
    **{kind: {"client-secret": 1} for kind in AUTHENTICATORS},
}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The login provider; what a kind has no use for is empty."""

    client_id: str
    organizations: tuple[str, ...]
    domains: tuple[str, ...]
    identity_providers: tuple[str, ...]
    username_claim: str
    service_name: str
    authorize_url: str
    token_url: str
    userinfo_url: str


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who may log in; ``provider`` is None where this hub itself keeps the passwords."""

    kind: str
    admins: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    allowed_users: tuple[str, ...]
    allow_all: bool
    provider: Provider | None


def parse_login(section: Section) -> Login:
    """Take the section apart; problems go where the section collects them."""
    kind = section.text("kind", f"one of {', '.join(KINDS)}", "|".join(KINDS))
    provider = section.section_or_none("provider")
    login = Login(
        kind=kind,
        admins=section.texts("admins"),
        groups=section.groups("groups"),
        allowed_users=section.texts("allowed_users"),
        allow_all=section.flag("allow_all"),
        provider=_parse_provider(provider) if provider else None,
    )
    if kind in AUTHENTICATORS and provider is None:
        section.refuse("provider", f"is null, but kind is {kind}. It must be a mapping.")
    section.close()
    return login


def _parse_provider(section: Section) -> Provider:
    web_address_or_nothing = "an address that begins with http:// or https://, or empty", r"(https?://.+)?"
    provider = Provider(
        client_id=section.text("client_id"),
        organizations=section.texts("organizations"),
        domains=section.texts("domains"),
        identity_providers=section.texts("identity_providers"),
        username_claim=section.text("username_claim", pattern=r".*"),
        service_name=section.text("service_name", pattern=r".*"),
        authorize_url=section.text("authorize_url", *web_address_or_nothing),
        token_url=section.text("token_url", *web_address_or_nothing),
        userinfo_url=section.text("userinfo_url", *web_address_or_nothing),
    )
    section.close()
    return provider


def may_stay(login: Login, name: str, *, probe_user: str) -> bool:
    """Whether somebody who was let in may still be here, as far as the names in the settings tell.

    What a provider says of organisations and domains is asked for at a login alone.
    """
    provider = login.provider
    by_provider = provider is not None and bool(provider.organizations or provider.domains)
    return login.allow_all or by_provider or name in (*login.allowed_users, *login.admins, probe_user)


def login_traits(
    login: Login, secrets: Mapping[str, str], *, public_url: str, probe_user: str
) -> dict[str, Any]:
    """The traits of the authenticator, by ``Class.trait``; all but those of the roster's own class."""
    common = {
        "Authenticator.admin_users": set(login.admins),
        "Authenticator.allow_all": login.allow_all,
        # Who was let in once is not let in for ever: the settings alone say who may.
        "Authenticator.allow_existing_users": False,
        "Authenticator.manage_groups": True,
        "Authenticator.post_auth_hook": settle(login),
    }
    if login.kind == ROSTER:
        return common
    if login.kind == SHARED_PASSWORD:
        allowed = {*login.allowed_users, *login.admins, probe_user} if not login.allow_all else set()
        return {
            **common,
            "Authenticator.allowed_users": allowed,
            "SharedPasswordAuthenticator.user_password": secrets["user-password"],
            "SharedPasswordAuthenticator.admin_password": secrets["admin-password"],
        }
    assert login.provider is not None
    return {
        **common,
        "Authenticator.allowed_users": set(login.allowed_users),
        "OAuthenticator.client_id": login.provider.client_id,
        "OAuthenticator.client_secret": secrets["client-secret"],
        # The groups are the stack file's, whatever the provider says.
        "OAuthenticator.auth_state_groups_key": lambda _auth_state: [],
        "OAuthenticator.custom_403_message": REFUSAL,
        "OAuthenticator.oauth_callback_url": f"{public_url}/hub/oauth_callback",
        **PROVIDER_TRAITS[login.kind](login, login.provider),
    }


def settle(login: Login) -> Callable[[Any, Any, dict[str, Any]], dict[str, Any]]:
    """A hook that makes the settings decide, at every login, who administers and who is in which group.

    JupyterHub itself only adds: it leaves an administrator who is none any more, and a group's former member.
    """

    def hook(_authenticator: Any, _handler: Any, model: dict[str, Any]) -> dict[str, Any]:
        name = model["name"]
        groups = [group for group, members in login.groups.items() if name in members]
        return {**model, "admin": name in login.admins, "groups": groups}

    return hook


def _github(login: Login, provider: Provider) -> dict[str, Any]:
    return {
        "GitHubOAuthenticator.allowed_organizations": set(provider.organizations),
        # Without it only memberships that are public count.
        "GitHubOAuthenticator.scope": ["read:org"] if provider.organizations else [],
    }


def _google(login: Login, provider: Provider) -> dict[str, Any]:
    return {
        "GoogleOAuthenticator.hosted_domain": list(provider.domains),
        # hosted_domain only refuses the others.
        "Authenticator.allow_all": login.allow_all or bool(provider.domains),
        # Its default depends on the number of domains: a second one would give everybody another name.
        "GoogleOAuthenticator.strip_domain": False,
    }


def _cilogon(login: Login, provider: Provider) -> dict[str, Any]:
    return {
        "CILogonOAuthenticator.idps": {
            entity: {
                "username_derivation": {"username_claim": provider.username_claim},
                "allowed_domains": list(provider.domains),
                "allowed_domains_claim": "email",
            }
            for entity in provider.identity_providers
        }
    }


def _globus(login: Login, provider: Provider) -> dict[str, Any]:
    return {
        "GlobusOAuthenticator.identity_provider": provider.identity_providers[0],
        # Tokens to move files are no business of the hub.
        "GlobusOAuthenticator.exclude_tokens": ["auth.globus.org", "transfer.api.globus.org"],
        "GlobusOAuthenticator.scope": ["openid", "profile"],
    }


def _oidc(login: Login, provider: Provider) -> dict[str, Any]:
    return {
        "GenericOAuthenticator.authorize_url": provider.authorize_url,
        "GenericOAuthenticator.token_url": provider.token_url,
        "GenericOAuthenticator.userdata_url": provider.userinfo_url,
        "GenericOAuthenticator.username_claim": provider.username_claim,
        "GenericOAuthenticator.login_service": provider.service_name,
        "GenericOAuthenticator.scope": ["openid", "profile", "email"],
    }


PROVIDER_TRAITS: dict[str, Callable[[Login, Provider], dict[str, Any]]] = {
    "github": _github,
    "google": _google,
    "cilogon": _cilogon,
    "globus": _globus,
    "oidc": _oidc,
}
