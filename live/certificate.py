"""The certificate files of ``tls``, read and compared with each other before anything is made."""

from __future__ import annotations

import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from swarmhub.errors import Finding
from swarmhub.facts import CertificateFacts
from swarmhub.settings import Tls
from swarmhub.text import PROJECT_DIRECTORY

CERTIFICATE, KEY = "tls.certificate_file", "tls.key_file"
CONVERT = "openssl x509 -in FILE -out FILE.pem makes PEM of other forms"


def read_certificate_facts(tls: Tls) -> CertificateFacts | None:
    """What the files hold; what is wrong with them is among the findings. None where there are none."""
    findings: list[Finding] = []
    if tls.directory_ca_file:
        _read("tls.directory_ca_file", tls.directory_ca_file, findings)
    chain: list[x509.Certificate] = []
    if tls.certificate_file and tls.key_file:
        chain = _read_chain(_read(CERTIFICATE, tls.certificate_file, findings), findings)
        _check_key(_read(KEY, tls.key_file, findings), chain, findings)
    if not chain:
        return CertificateFacts(findings=tuple(findings)) if findings else None
    leaf = chain[0]
    return CertificateFacts(
        names=_names(leaf),
        begins=leaf.not_valid_before_utc,
        ends=min(each.not_valid_after_utc for each in chain),
        findings=tuple(findings),
    )


def _refuse(where: str, problem: str, remedy: str, rule: str = "") -> Finding:
    return Finding(where=where, problem=problem, rule=rule, remedy=remedy)


def _read(where: str, file: str, findings: list[Finding]) -> bytes | None:
    try:
        return (PROJECT_DIRECTORY / file).read_bytes()
    except OSError as error:
        rule = f"It is relative to {PROJECT_DIRECTORY}, or absolute"
        findings.append(
            _refuse(where, f"{file!r} cannot be read ({error.strerror})", "Name a file that can", rule)
        )
        return None


def _read_chain(pem: bytes | None, findings: list[Finding]) -> list[x509.Certificate]:
    """The certificates of the file, each followed by the one that signed it."""
    if pem is None:
        return []
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        findings.append(_refuse(CERTIFICATE, "the file holds no certificate in PEM", CONVERT))
        return []
    for position, (signed, signer) in enumerate(itertools.pairwise(chain), start=1):
        try:
            signed.verify_directly_issued_by(signer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            problem = f"its certificate number {position} is not signed by number {position + 1}"
            rule = "The hub's own comes first, each is followed by the one that signed it"
            findings.append(_refuse(CERTIFICATE, problem, "Put them in order", rule))
    return chain


def _check_key(pem: bytes | None, chain: list[x509.Certificate], findings: list[Finding]) -> None:
    if pem is None:
        return
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        remedy = "Write it without: openssl pkey -in FILE -out FILE.plain"
        findings.append(_refuse(KEY, "the key is encrypted with a passphrase", remedy))
        return
    except (ValueError, UnsupportedAlgorithm):
        findings.append(_refuse(KEY, "the file holds no private key in PEM", "Name the file that does"))
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if chain and key.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
        problem = "it is not the key of the first certificate of tls.certificate_file"
        findings.append(_refuse(KEY, problem, "Give the two that belong together"))


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses that it is for; browsers look at no other field."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    return (*(each.lower() for each in names.get_values_for_type(x509.DNSName)), *addresses)
