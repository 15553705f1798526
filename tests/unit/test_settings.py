"""Stack configuration: every key's rule, its message, and all problems at once."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.errors import Finding, UserError
from swarmhub.settings import (
    Issuer,
    Limits,
    Login,
    LoginKind,
    QuotaOverrides,
    Settings,
    keys_of,
    read_settings,
)
from swarmhub.settings.keys import shown
from tests.support.stacks import DEV_CONFIG, dev_config


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        read_settings(config)
    return str(caught.value)


def test_dev_stack_is_read() -> None:
    found = read_settings(DEV_CONFIG)
    assert found.site.cloud == "rehearsal"
    assert found.machines.worker.count == 1
    assert found.hub.login == Login(kind=LoginKind.SHARED_PASSWORD)
    assert found.tls.issuer is Issuer.ACME
    assert found.site.admin_networks == (ipaddress.IPv4Network("172.24.4.1/32"),)


def test_a_missing_section_with_defaults_takes_them() -> None:
    config = dev_config()
    del config["limits"]
    assert read_settings(config).limits == Limits()


def test_quotas_are_read() -> None:
    overrides = {"users": {"ada": "none"}, "groups": {"instructors": 50}}
    found = read_settings(
        dev_config(
            storage__home_quota_gb=0.5,
            storage__quota_overrides=overrides,
            hub__groups={"instructors": ["ada"]},
        )
    ).storage
    assert found.home_quota_gb == 0.5
    assert found.quota_overrides == QuotaOverrides(users=(("ada", 0.0),), groups=(("instructors", 50.0),))


# With a student's name before it, one character too long.
LONG_DOMAIN = ".".join(("a" * 63, "b" * 63, "c" * 50, "example.org"))
HOST_NAME_RULE = (
    "It is a host name of at most 253 characters with a dot in it, or address for none; {address} in it "
    "stands for the public address written with dashes, {instance} and {project} for the names that the "
    "cloud has for the manager and the project."
)
MESSAGES: list[tuple[dict[str, Any], str]] = [
    (
        {"storage__home_quota_gb": "5GB"},
        (
            "storage.home_quota_gb: '5GB' is not accepted. "
            "It is a number of GB from 0.001 to 100000, or 0 for no quota. "
            "Set storage.home_quota_gb to such a value."
        ),
    ),
    (
        {"storage__quota_overrides__users": ["ada"]},
        (
            "storage.quota_overrides.users: ['ada'] is not a mapping. It is a YAML mapping. "
            "Write it as {name: value}."
        ),
    ),
    (
        {"storage__quota_overrides": {"groups": {"instructor": 50}}, "hub__groups": {"instructors": ["ada"]}},
        (
            "storage.quota_overrides.groups.instructor: there is no such group. It is one of hub.groups. "
            "Did you mean instructors?"
        ),
    ),
    (
        {"storage__quota_overrides": {"groups": {"instructors": 50}}},
        (
            "storage.quota_overrides.groups.instructors: there is no such group. It is one of hub.groups. "
            "Add it to hub.groups."
        ),
    ),
    ({"site__imge": "x"}, "site.imge: this key is unknown. Did you mean image?"),
    (
        {"machines__worker": {"flavour": "s1.large"}},
        ("machines.worker.flavour: this key is unknown. Did you mean flavor?"),
    ),
    (
        {"machines__worker": None, "machines__manager": None},
        (
            "machines.manager: this key is missing. Set it: flavor of the manager.\n"
            "machines.worker.flavor: this key is missing. Set it: flavor of each worker; or set "
            "workshop.users, and one is chosen that seats them."
        ),
    ),
    (
        {"machines__worker__count": 0},
        (
            "machines.worker.count: 0 is not accepted. It is a whole number from 1 to 200. "
            "Set machines.worker.count to such a value."
        ),
    ),
    (
        {"machines__worker": None, "machines__manager": None},
        (
            "machines.manager: this key is missing. Set it: flavor of the manager.\n"
            "machines.worker.flavor: this key is missing. Set it: flavor of each worker; or set "
            "workshop.users, and one is chosen that seats them."
        ),
    ),
    (
        {"machines__worker__count": True},
        (
            "machines.worker.count: True is not accepted. It is a whole number from 1 to 200. "
            "Set machines.worker.count to such a value."
        ),
    ),
    (
        {"hub__domain": "https://hub.example.org"},
        (
            f"hub.domain: 'https://hub.example.org' is not a host name. {HOST_NAME_RULE} "
            "Give the name students will open, without https://."
        ),
    ),
    (
        {"hub__domain": "192.0.2.1"},
        (
            f"hub.domain: '192.0.2.1' is not a host name. {HOST_NAME_RULE} "
            "Give the name students will open, without https://."
        ),
    ),
    (
        {"hub__domain": f"{'a' * 60}." * 5 + "org"},
        (
            f"hub.domain: '{'a' * 39} ... {'a' * 35}.org' can be 308 characters long. "
            f"{HOST_NAME_RULE} Choose a shorter name."
        ),
    ),
    (
        {"hub__domain": "a" * 40 + "-{address}.example.org"},
        (
            f"hub.domain: '{'a' * 40}-{{address}}.example.org' can be 68 characters long. "
            "With tls.issuer: acme it has at most 64. Choose a shorter name."
        ),
    ),
    (
        {"hub__dns_zone": "demo.example.org"},
        (
            "hub.dns_zone: hub.domain 'hub-{address}.rehearsal.test' is not in the zone 'demo.example.org'. "
            "Choose a hub.domain that ends with .demo.example.org."
        ),
    ),
    (
        {"hub__dns_zone": "demo.example.org", "hub__domain": "address"},
        ("hub.dns_zone: a hub that is opened by its address has no record. Remove it, or set hub.domain."),
    ),
    (
        {"hub__dns_zone": "zone"},
        (
            "hub.dns_zone: 'zone' is not a zone. "
            "It is a zone of at most 253 characters such as project.cloud.example.org. "
            "Set hub.dns_zone to such a value."
        ),
    ),
    (
        {"hub__subdomains": True, "hub__domain": "hub.example.org"},
        (
            "hub.subdomains: tls.issuer: acme gives no certificate for all names below the hub's. "
            "What the manager can prove to an issuer is that single names are its own. "
            "Set tls.issuer to files, with a certificate for hub.example.org and *.hub.example.org."
        ),
    ),
    (
        {"hub__subdomains": True, "hub__domain": LONG_DOMAIN, "tls": {"issuer": "none"}},
        (
            f"hub.subdomains: {shown(LONG_DOMAIN)} can be 190 characters long. "
            "With a student's name before it, it has at most 189. Choose a shorter hub.domain."
        ),
    ),
    (
        {"hub__subdomains": True, "hub__domain": "address", "tls": {"issuer": "none"}},
        (
            "hub.subdomains: a hub that is opened by its address has no names below it. "
            "Remove it, or set hub.domain."
        ),
    ),
    (
        {"tls__issuer": "letsencript"},
        (
            "tls.issuer: 'letsencript' is not one of the choices. "
            "Choices: letsencrypt, letsencrypt-staging, acme, files, none. Did you mean letsencrypt?"
        ),
    ),
    (
        {"site__overlay_cidr": "10.20.0.0/20"},
        (
            "site.overlay_cidr: 10.20.0.0/20 overlaps site.subnet_cidr 10.20.0.0/24. "
            "Machines and containers have addresses of different networks. Change one of the two."
        ),
    ),
    (
        {"site__subnet_cidr": "10.20.0.7/24"},
        (
            "site.subnet_cidr: '10.20.0.7/24' is not an IPv4 network (it has host bits set). "
            "It is an IPv4 network with a prefix from /16 to /28. Write it as 10.20.0.0/24."
        ),
    ),
    (
        {"storage": 20},
        (
            "storage: 20 is not a mapping. It has the keys kind, size_gb, home_quota_gb, quota_overrides, "
            "shared_folder, device, directory, server, export, keep_after_destroy, protect. "
            "Write it as {key: value, ...}."
        ),
    ),
    (
        {"storage": {"keep_after_destroy": "no"}},
        (
            "storage.keep_after_destroy: 'no' is not accepted. It is true or false. "
            "Set storage.keep_after_destroy to such a value."
        ),
    ),
    (
        {"storage": {}},
        (
            "storage.size_gb: this key is missing. storage.kind is volume. Set it, or set workshop.users, "
            "and it is reckoned with storage.home_quota_gb, or set storage.kind to another of volume, "
            "nfs, none."
        ),
    ),
    (
        {"storage": {"kind": "nfs", "server": "10.0.0.5", "size_gb": 3}},
        (
            "storage.export: this key is missing. storage.kind is nfs. "
            "Set it, or set storage.kind to another of volume, device, directory, nfs, none.\n"
            "storage.size_gb: this key has no meaning with storage.kind: nfs. It belongs to kind: volume. "
            "Remove it, or set storage.kind to volume."
        ),
    ),
    (
        {"storage": {"kind": "nfs", "server": "10.0.0.5", "export": "/srv/../etc"}},
        (
            "storage.export: '/srv/../etc' is not accepted. It is an absolute path without spaces or a .. "
            "in it. Set storage.export to such a value."
        ),
    ),
    (
        {"storage": {"kind": "none"}, "machines__storage": "s1.large"},
        (
            "machines.storage: this key has no meaning with storage.kind: none. It belongs to kind: volume. "
            "Remove it, or set storage.kind to volume."
        ),
    ),
    (
        {
            "storage": {
                "kind": "none",
                "shared_folder": True,
                "home_quota_gb": 2,
                "quota_overrides": {"users": {"ada": 1}},
            }
        },
        (
            "storage.home_quota_gb: this key has no meaning with storage.kind: none. "
            "It belongs to kind: volume. Remove it, or set storage.kind to volume.\n"
            "storage.quota_overrides: this key has no meaning with storage.kind: none. "
            "It belongs to kind: volume. Remove it, or set storage.kind to volume.\n"
            "storage.shared_folder: this key has no meaning with storage.kind: none. "
            "It belongs to kind: volume. Remove it, or set storage.kind to volume."
        ),
    ),
    (
        {"tls__directory_url": None},
        "tls.directory_url: this key is missing. tls.issuer is acme. Set it to the ACME directory's URL.",
    ),
    (
        {"tls": {"issuer": "letsencrypt"}},
        (
            "tls.email: this key is missing. tls.issuer is letsencrypt. "
            "Set it: issuers write there when something is wrong with a certificate."
        ),
    ),
    (
        {"tls": {"issuer": "files", "certificate_file": "hub.pem"}},
        (
            "tls.key_file: this key is missing. tls.issuer is files. "
            "Set it to a file with the certificate's private key, unencrypted."
        ),
    ),
    (
        {"tls": {"issuer": "none", "key_file": "hub.key"}},
        (
            "tls.key_file: this key has no meaning with tls.issuer: none. It belongs to issuer: files. "
            "Remove it, or set tls.issuer to files."
        ),
    ),
]


@pytest.mark.parametrize(
    ("changes", "message"), MESSAGES, ids=[next(iter(changes)) for changes, _ in MESSAGES]
)
def test_a_broken_key_is_named_with_its_remedy(changes: dict[str, Any], message: str) -> None:
    assert refusal(dev_config(**changes)) == message


def test_all_problems_are_reported_together() -> None:
    broken = dev_config(site__image=3, machines__manager="", limits__cpus="two")
    assert [line.split(":")[0] for line in refusal(broken).splitlines()] == [
        "site.image",
        "machines.manager",
        "limits.cpus",
    ]


def test_directory_keys_belong_to_the_acme_issuer() -> None:
    lines = refusal(dev_config(tls__issuer="letsencrypt")).splitlines()
    assert [line.split(":")[0] for line in lines] == ["tls.directory_url", "tls.directory_ca_file"]


def all_keys(section: type, prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, key in keys_of(section).items():
        found.append((f"{prefix}{name}", key))
        if key.section:
            found += all_keys(key.section, f"{prefix}{name}.")
    return found


def test_every_key_says_what_it_is() -> None:
    keys = all_keys(Settings)
    assert len(keys) > 25
    assert [name for name, key in keys if len(key.about) < 10] == []


@pytest.mark.parametrize("written", ["2027-03-05", "2027-03-05 00:00:00 +0000 UTC", "2027-03-05T00:00:00Z"])
def test_a_date_is_read_as_pulumi_hands_it_over(written: str) -> None:
    assert read_settings(dev_config(workshop__ends=written)).workshop.ends == datetime.date(2027, 3, 5)


def test_sections_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_settings(DEV_CONFIG).limits.cpus = 2  # type: ignore[misc]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
paths = st.sampled_from([name.replace(".", "__") for name, _ in all_keys(Settings)])


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(paths, values, min_size=1, max_size=1))
def test_any_value_is_read_or_refused_by_name(changes: dict[str, Any]) -> None:
    findings: tuple[Finding, ...] = ()
    try:
        read_settings(dev_config(**changes))
    except UserError as error:
        findings = error.findings
    assert all(finding.where and finding.remedy for finding in findings)


def test_a_hub_without_a_name_needs_no_key() -> None:
    config = dev_config()
    del config["hub"]["domain"]
    assert read_settings(config).hub.domain == read_settings(dev_config(hub__domain="address")).hub.domain


@pytest.mark.parametrize(
    "issuer", [{"issuer": "none"}, {"issuer": "files", "certificate_file": "a", "key_file": "b"}]
)
def test_names_that_no_issuer_writes_into_a_certificate_may_be_longer(issuer: dict[str, str]) -> None:
    name = "a" * 60 + ".example.org"
    assert read_settings(dev_config(hub__domain=name, tls=issuer)).hub.domain == name
