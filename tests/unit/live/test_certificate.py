"""Certificate files as an operator has them: right ones, and each way of being wrong."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from live.certificate import read_certificate_facts
from swarmhub.settings import Issuer, Tls

BEGINS = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2027, 4, 1, tzinfo=datetime.UTC)
Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def sign(subject: str, key: Key, issuer: str, issuer_key: Key, *, ends: datetime.datetime = ENDS) -> str:
    """A certificate in PEM; one that is no CA's is for the name, a wildcard below it, and an address."""
    names = [
        x509.DNSName(subject),
        x509.DNSName(f"*.{subject}"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(ends)
    )
    if "." in subject:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def written(key: Key, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


LEAF, MIDDLE, ROOT = new_key(), new_key(), new_key()
OWN = sign("hub.example.org", LEAF, "middle", MIDDLE)
BETWEEN = sign("middle", MIDDLE, "root", ROOT, ends=ENDS - datetime.timedelta(days=1))


def tls(tmp_path: Path, certificate: str | None, key: str | None) -> Tls:
    files = {"certificate_file": ("hub.pem", certificate), "key_file": ("hub.key", key)}
    for file, content in files.values():
        if content is not None:
            (tmp_path / file).write_text(content)
    return Tls(issuer=Issuer.FILES, **{key: str(tmp_path / file) for key, (file, _) in files.items()})


def test_the_names_and_the_time_of_a_sound_pair(tmp_path: Path) -> None:
    facts = read_certificate_facts(tls(tmp_path, OWN + BETWEEN, written(LEAF)))
    assert facts is not None
    assert facts.findings == ()
    assert facts.names == ("hub.example.org", "*.hub.example.org", "192.0.2.1")
    # The chain ends with its first link that does.
    assert (facts.begins, facts.ends) == (BEGINS, ENDS - datetime.timedelta(days=1))


@pytest.mark.parametrize(
    ("certificate", "key", "sentences"),
    [
        (
            None,
            None,
            [
                "tls.certificate_file: '{directory}/hub.pem' cannot be read (No such file or directory).",
                "tls.key_file: '{directory}/hub.key' cannot be read (No such file or directory).",
            ],
        ),
        (
            "nothing of the kind",
            written(LEAF),
            ["tls.certificate_file: the file holds no certificate in PEM."],
        ),
        (OWN, "nothing of the kind", ["tls.key_file: the file holds no private key in PEM."]),
        (OWN, written(LEAF, b"secret"), ["tls.key_file: the key is encrypted with a passphrase."]),
        (
            OWN,
            written(MIDDLE),
            ["tls.key_file: it is not the key of the first certificate of tls.certificate_file."],
        ),
        (
            OWN + sign("middle", ROOT, "root", ROOT),
            written(LEAF),
            ["tls.certificate_file: its certificate number 1 is not signed by number 2."],
        ),
    ],
    ids=["missing", "no certificate", "no key", "passphrase", "another key", "another chain"],
)
def test_each_way_of_being_wrong_is_a_sentence(
    tmp_path: Path, certificate: str | None, key: str | None, sentences: list[str]
) -> None:
    facts = read_certificate_facts(tls(tmp_path, certificate, key))
    assert facts is not None
    found = [str(each) for each in facts.findings]
    assert len(found) == len(sentences)
    for sentence, expected in zip(found, sentences, strict=True):
        assert sentence.startswith(expected.format(directory=tmp_path))


def test_a_directory_ca_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path) -> None:
    missing = Tls(issuer=Issuer.ACME, directory_ca_file=str(tmp_path / "ca.pem"))
    facts = read_certificate_facts(missing)
    assert facts is not None
    assert [each.where for each in facts.findings] == ["tls.directory_ca_file"]


def test_orders_of_public_issuers_read_no_file() -> None:
    assert read_certificate_facts(Tls(issuer=Issuer.LETSENCRYPT, email="ada@example.org")) is None
