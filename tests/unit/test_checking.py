"""What a manager tells of itself, judged."""

from __future__ import annotations

import pytest

from swarmhub.checking import SECONDS_PER_DAY, judge

WELL = {
    "certificate_seconds": str(60 * SECONDS_PER_DAY + 5),
    "certificate_seconds_in_all": str(90 * SECONDS_PER_DAY),
    "certificate_from": "order",
    "self_signed": "false",
    "renewal_result": "success",
    "renewal_timer": "active",
    "renewal_log": "notAfter=Feb 1",
    "firewall": "active",
    "overlay_filter": "active",
    "services": "hub 1/1\nproxy 1/1\nuser-ada 1/1",
    "nodes": "manager Ready Active\nworker-1 Ready Active",
    "front_door": "running",
    "disks": "/ 40%\n/var/nfs 12%",
}


def failures(**changes: str) -> list[str]:
    return [str(check) for check in judge({**WELL, **changes}) if not check.passed]


def test_a_workshop_that_is_well_passes_every_check() -> None:
    checks = judge(WELL)
    assert all(check.passed for check in checks)
    assert str(checks[0]) == "ok    certificate: 60 days left"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"certificate_seconds": "-5"},
            "FAIL  certificate: expired. Look at: journalctl --unit swarmhub-certificate",
        ),
        (
            {"certificate_seconds": "0", "certificate_seconds_in_all": "0"},
            "FAIL  certificate: missing. Look at: journalctl --unit swarmhub-certificate",
        ),
        (
            {"certificate_seconds": str(14 * SECONDS_PER_DAY + 5)},
            "FAIL  certificate: 14 days left. Look at: journalctl --unit swarmhub-certificate",
        ),
        (
            {"certificate_from": "files", "certificate_seconds": str(13 * SECONDS_PER_DAY + 5)},
            (
                "FAIL  certificate: 13 days left. "
                "Put a new one in the files of tls.certificate_file and tls.key_file, and run pulumi up"
            ),
        ),
        (
            {"self_signed": "true"},
            (
                "FAIL  certificate: the self-signed one of the first start. "
                "Look at: journalctl --unit swarmhub-certificate"
            ),
        ),
        (
            {"renewal_result": "exit-code", "renewal_log": "certificate: no answer"},
            (
                "FAIL  renewal: the last one ended with exit-code (certificate: no answer). "
                "Look at: journalctl --unit swarmhub-certificate"
            ),
        ),
        (
            {"renewal_timer": "inactive"},
            (
                "FAIL  renewal: its timer is inactive. "
                "Run pulumi up again, or systemctl enable --now swarmhub-certificate.timer"
            ),
        ),
        (
            {"services": "hub 0/1\nproxy 1/1"},
            "FAIL  service hub: 0/1 running. Look at: docker service ps --no-trunc hub",
        ),
        (
            {"services": "hub 1/1"},
            "FAIL  service proxy: none running. Look at: docker service ps --no-trunc proxy",
        ),
        ({"front_door": "missing"}, "FAIL  front door: missing. Look at: docker logs front-door"),
        (
            {"nodes": "manager Ready Active\nworker-1 Down Active"},
            (
                "FAIL  machine worker-1: down, active. "
                "Look at the machine worker-1: servers on it are lost until it is back"
            ),
        ),
        (
            {"disks": "/ 40%\n/var/nfs 93%"},
            "FAIL  disk /var/nfs: 93% used. Free some, or raise storage.size_gb and run pulumi up",
        ),
        (
            {"overlay_filter": "activating"},
            "FAIL  overlay filter: activating. Look at: systemctl status swarmhub-overlay-filter",
        ),
        ({"firewall": "failed"}, "FAIL  firewall: failed. Look at: systemctl status swarmhub-firewall"),
    ],
)
def test_what_needs_a_hand_is_a_sentence(changes: dict[str, str], sentence: str) -> None:
    assert failures(**changes) == [sentence]


@pytest.mark.parametrize(
    "changes",
    [
        # Of six days: renewed with three left, late with one.
        {
            "certificate_seconds": str(2 * SECONDS_PER_DAY),
            "certificate_seconds_in_all": str(6 * SECONDS_PER_DAY),
        },
        {"certificate_from": "files", "renewal_timer": "inactive"},
        {"certificate_from": "nowhere", "certificate_seconds": "0", "renewal_timer": "inactive"},
    ],
    ids=["of an address", "from files", "none"],
)
def test_certificates_of_every_origin_can_be_well(changes: dict[str, str]) -> None:
    assert failures(**changes) == []
