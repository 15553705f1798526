"""The certificate of the hub's name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swarmhub.settings.keys import FILE, ChangeEffect, key, one_of, text


class Issuer(StrEnum):
    """Who signs the hub's certificate."""

    LETSENCRYPT = "letsencrypt"
    LETSENCRYPT_STAGING = "letsencrypt-staging"
    ACME = "acme"


DIRECTORY_URLS = {
    Issuer.LETSENCRYPT: "https://acme-v02.api.letsencrypt.org/directory",
    Issuer.LETSENCRYPT_STAGING: "https://acme-staging-v02.api.letsencrypt.org/directory",
}


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The certificate of the hub's name."""

    email: str = key(
        text("It is an e-mail address", r"[^@\s]+@[^@\s]+"),
        "Address for notices of the certificate's issuer",
        change=ChangeEffect.IN_PLACE,
    )
    issuer: Issuer = key(
        one_of(Issuer),
        "Who signs the certificate",
        change=ChangeEffect.IN_PLACE,
        default=Issuer.LETSENCRYPT_STAGING,
    )
    directory_url: str | None = key(
        text("It is the https URL of an ACME directory", r"https://\S+"),
        "ACME directory, for issuer: acme",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    directory_ca_file: str | None = key(
        FILE,
        "Certificate of the CA that the ACME directory's own HTTPS is signed by",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    trusted_ca_file: str | None = key(
        FILE,
        "Certificate that `up` trusts beside the system's when it tries the hub",
        change=ChangeEffect.NOTHING,
        default=None,
    )
