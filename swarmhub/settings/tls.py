"""The certificate of the hub's name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swarmhub.errors import Finding
from swarmhub.settings.keys import FILE, ChangeEffect, key, one_of, text


class Issuer(StrEnum):
    """Who signs the hub's certificate."""

    LETSENCRYPT = "letsencrypt"
    LETSENCRYPT_STAGING = "letsencrypt-staging"
    ACME = "acme"
    FILES = "files"
    NONE = "none"

    @property
    def by_order(self) -> bool:
        """Whether the manager orders the certificate, and renews it."""
        return self not in (Issuer.FILES, Issuer.NONE)

    @property
    def is_for_trial(self) -> bool:
        """Whether the certificate is like a real one, but no browser or system trusts it."""
        return self is Issuer.LETSENCRYPT_STAGING

    @property
    def scheme(self) -> str:
        """How the hub's address begins."""
        return "http" if self is Issuer.NONE else "https"


DIRECTORY_URLS = {
    Issuer.LETSENCRYPT: "https://acme-v02.api.letsencrypt.org/directory",
    Issuer.LETSENCRYPT_STAGING: "https://acme-staging-v02.api.letsencrypt.org/directory",
}
# Which keys beside `issuer` mean something for which issuer alone.
ISSUER_OF_KEY = {
    "directory_url": Issuer.ACME,
    "directory_ca_file": Issuer.ACME,
    "certificate_file": Issuer.FILES,
    "key_file": Issuer.FILES,
}
NEEDED = {
    "directory_url": "Set it to the ACME directory's URL",
    "certificate_file": "Set it to a file with the certificate and, after it, those between it and the CA's",
    "key_file": "Set it to a file with the certificate's private key, unencrypted",
}


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The certificate of the hub's name."""

    email: str | None = key(
        text("It is an e-mail address", r"[^@\s]+@[^@\s]+"),
        "Address for notices of the certificate's issuer; needed where the certificate is ordered",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    issuer: Issuer = key(
        one_of(Issuer),
        "Who signs the certificate: it is ordered of Let's Encrypt or another ACME directory, taken from "
        "files of yours, or there is none and everything travels in clear",
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
    certificate_file: str | None = key(
        FILE,
        "Certificate and those between it and its CA's, in PEM, for issuer: files; "
        "a changed file is taken up by the next `up`",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    key_file: str | None = key(
        FILE,
        "Private key of that certificate, in PEM and unencrypted, for issuer: files",
        change=ChangeEffect.IN_PLACE,
        default=None,
    )
    trusted_ca_file: str | None = key(
        FILE,
        "Certificate that `up` trusts beside the system's when it tries the hub",
        change=ChangeEffect.NOTHING,
        default=None,
    )

    def contradictions(self) -> list[Finding]:
        """What ``issuer`` asks for and is missing, and what has no meaning with it."""
        missing = [
            Finding(
                where=f"tls.{name}",
                problem="this key is missing",
                rule=f"tls.issuer is {self.issuer}",
                remedy=remedy,
            )
            for name, remedy in NEEDED.items()
            if ISSUER_OF_KEY[name] is self.issuer and getattr(self, name) is None
        ]
        if self.issuer.by_order and self.email is None:
            missing.append(
                Finding(
                    where="tls.email",
                    problem="this key is missing",
                    rule=f"tls.issuer is {self.issuer}",
                    remedy="Set it: issuers write there when something is wrong with a certificate",
                )
            )
        return missing + [
            Finding(
                where=f"tls.{name}",
                problem=f"this key has no meaning with tls.issuer: {self.issuer}",
                rule=f"It belongs to issuer: {issuer}",
                remedy=f"Remove it, or set tls.issuer to {issuer}",
            )
            for name, issuer in ISSUER_OF_KEY.items()
            if issuer is not self.issuer and getattr(self, name) is not None
        ]
