"""Who may log in to the hub, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from swarmhub.errors import Finding
from swarmhub.settings.keys import (
    ACCOUNT,
    FILE,
    NAME,
    ChangeEffect,
    flag,
    https_url,
    key,
    list_of,
    one_of,
    secret_text,
    text,
)

CALLBACK_PATH = "/hub/oauth_callback"
CLIENT_SECRET_KEY = "hub.login.client_secret"
SET_CLIENT_SECRET = f"pulumi config set --secret --path 'swarmhub:{CLIENT_SECRET_KEY}'"


class LoginKind(StrEnum):
    """How students log in."""

    SHARED_PASSWORD = "shared-password"
    ROSTER = "roster"
    GITHUB = "github"
    GOOGLE = "google"
    CILOGON = "cilogon"
    GLOBUS = "globus"
    OIDC = "oidc"

    @property
    def by_provider(self) -> bool:
        """Whether another site knows the students, by OAuth 2."""
        return self not in (LoginKind.SHARED_PASSWORD, LoginKind.ROSTER)


CLIENT_KEYS = ("client_id", "client_secret")
ADMITTING_KEYS = ("allow_all", "allowed_users")
# Which keys beside `kind` mean something for which kind.
KEYS_OF_KIND = {
    LoginKind.SHARED_PASSWORD: ("allowed_users",),
    LoginKind.ROSTER: ("roster_file",),
    LoginKind.GITHUB: (*CLIENT_KEYS, *ADMITTING_KEYS, "organizations"),
    LoginKind.GOOGLE: (*CLIENT_KEYS, *ADMITTING_KEYS, "domains"),
    LoginKind.CILOGON: (
        *CLIENT_KEYS,
        *ADMITTING_KEYS,
        "domains",
        "identity_providers",
        "username_claim",
    ),
    LoginKind.GLOBUS: (*CLIENT_KEYS, *ADMITTING_KEYS, "identity_providers"),
    LoginKind.OIDC: (*CLIENT_KEYS, *ADMITTING_KEYS, "issuer_url", "username_claim", "service_name"),
}
NEEDED_OF_KIND = {
    LoginKind.ROSTER: ("roster_file",),
    LoginKind.CILOGON: ("identity_providers",),
    LoginKind.GLOBUS: ("identity_providers",),
    LoginKind.OIDC: ("issuer_url",),
}
# Each admits people; without any of them only the administrators get in.
ADMITTING = ("allow_all", "allowed_users", "organizations", "domains")


@dataclass(frozen=True, kw_only=True)
class Login:
    """How students log in; a bare word stands for ``kind``."""

    kind: LoginKind = key(
        one_of(LoginKind),
        "Who knows the students: one shared password, a roster of single passwords, or a login provider",
        change=ChangeEffect.RESTART,
        default=LoginKind.SHARED_PASSWORD,
    )
    allowed_users: tuple[str, ...] = key(
        list_of(ACCOUNT),
        "User names that may log in, beside the administrators; with shared-password all when none is given",
        change=ChangeEffect.RESTART,
        default=(),
    )
    allow_all: bool = key(
        flag,
        "Let in everyone whom the login provider knows",
        change=ChangeEffect.RESTART,
        default=False,
    )
    roster_file: str | None = key(
        FILE,
        "File of user names for kind roster, one a line, a full name after a comma",
        change=ChangeEffect.RESTART,
        default=None,
    )
    client_id: str | None = key(
        NAME,
        "Id of the OAuth client registered with the login provider",
        change=ChangeEffect.RESTART,
        default=None,
    )
    client_secret: str | None = key(
        secret_text(CLIENT_SECRET_KEY),
        "Secret of that OAuth client, set encrypted",
        change=ChangeEffect.RESTART,
        default=None,
        secret=True,
    )
    organizations: tuple[str, ...] = key(
        list_of(text("It is a GitHub organisation, or organisation:team", r"[\w.-]+(:[\w.-]+)?")),
        "GitHub organisations or teams (organisation:team) whose members may log in",
        change=ChangeEffect.RESTART,
        default=(),
    )
    domains: tuple[str, ...] = key(
        list_of(text("It is a domain such as example.edu", r"[a-z0-9-]+(\.[a-z0-9-]+)+")),
        "Domains of e-mail addresses whose holders may log in",
        change=ChangeEffect.RESTART,
        default=(),
    )
    identity_providers: tuple[str, ...] = key(
        list_of(NAME, at_least=1),
        "Institutions that may vouch: for cilogon their entity ids, for globus one domain",
        change=ChangeEffect.RESTART,
        default=(),
    )
    issuer_url: str | None = key(
        https_url,
        "URL of the OpenID Connect provider, below which /.well-known/openid-configuration lies",
        change=ChangeEffect.RESTART,
        default=None,
    )
    username_claim: str | None = key(
        text("It is the name of a claim such as preferred_username", r"[A-Za-z][\w.]*"),
        "Claim that becomes the user name: email unless set for cilogon, preferred_username for oidc",
        change=ChangeEffect.RESTART,
        default=None,
    )
    service_name: str | None = key(
        NAME,
        "What the button of the login page calls the OpenID Connect provider",
        change=ChangeEffect.RESTART,
        default=None,
    )

    @property
    def claim(self) -> str:
        """The claim that becomes the user name, where it can be chosen."""
        fallback = "email" if self.kind is LoginKind.CILOGON else "preferred_username"
        return self.username_claim or fallback


def callback_url(url: str) -> str:
    """Where a login provider sends people back to a hub at this address; it is registered there."""
    return f"{url}{CALLBACK_PATH}"


def check_login(login: Login, url: str, admins: Sequence[str]) -> list[Finding]:
    """What is contradictory or missing in ``hub.login`` as a whole."""
    findings = [*_misplaced(login), *_missing(login, url)]
    if login.kind.by_provider and not any(getattr(login, name) for name in ADMITTING):
        admitting = [name for name in ADMITTING if name in KEYS_OF_KIND[login.kind]]
        findings.append(
            Finding(
                where="hub.login",
                problem="nobody but the administrators could log in",
                rule=f"With kind: {login.kind} these keys let people in: {', '.join(admitting)}",
                remedy="Set one of them",
            )
        )
    if login.kind is LoginKind.GLOBUS and len(login.identity_providers) > 1:
        # The user name is what stands before the @, so that two institutions' people would share accounts.
        findings.append(
            Finding(
                where="hub.login.identity_providers",
                problem=f"{len(login.identity_providers)} institutions are given",
                rule="Globus logins of one institution alone have distinct user names",
                remedy="Leave one, or use kind: cilogon",
            )
        )
    if login.kind is LoginKind.GOOGLE and login.domains:
        findings += [
            Finding(
                where="hub.login.domains",
                problem=f"{name} could not log in",
                rule="A user name is the whole address, and with domains those of other domains are refused",
                remedy="Add its domain, or remove the name from hub.admins and hub.login.allowed_users",
            )
            for name in (*admins, *login.allowed_users)
            if name.rpartition("@")[2] not in login.domains
        ]
    return findings


def _misplaced(login: Login) -> list[Finding]:
    known = KEYS_OF_KIND[login.kind]
    names = {name for names in KEYS_OF_KIND.values() for name in names}
    return [
        Finding(
            where=f"hub.login.{name}",
            problem=f"this key has no meaning with kind: {login.kind}",
            rule=f"It belongs to {', '.join(k for k, names in KEYS_OF_KIND.items() if name in names)}",
            remedy="Remove it, or change hub.login.kind",
        )
        for name in sorted(names - set(known))
        if getattr(login, name)
    ]


def _missing(login: Login, url: str) -> list[Finding]:
    findings = [
        Finding(
            where=f"hub.login.{name}",
            problem="this key is missing",
            rule=f"hub.login.kind is {login.kind}",
            remedy="Set it",
        )
        for name in NEEDED_OF_KIND.get(login.kind, ())
        if not getattr(login, name)
    ]
    if not login.kind.by_provider:
        return findings
    registration = f"Register an OAuth client with the callback URL {callback_url(url)}"
    if not login.client_id:
        findings.append(
            Finding(
                where="hub.login.client_id",
                problem="this key is missing",
                rule=f"hub.login.kind is {login.kind}",
                remedy=f"{registration}, then set its id",
            )
        )
    if not login.client_secret:
        findings.append(
            Finding(
                where=CLIENT_SECRET_KEY,
                problem="this key is missing",
                rule=f"hub.login.kind is {login.kind}",
                remedy=f"{registration}, then run {SET_CLIENT_SECRET}",
            )
        )
    return findings
