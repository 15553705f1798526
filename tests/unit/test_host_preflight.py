"""Existing machines before anything is made on them: each thing in the way, and how it reads."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from swarmhub.errors import Finding
from swarmhub.facts import HostSurvey
from swarmhub.host_preflight import check_hosts
from swarmhub.plan import hosts_request, make_plan_on_hosts
from swarmhub.preflight import Report
from swarmhub.settings import read_settings
from tests.support.stacks import host_config, host_survey

NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)
MANAGER, WORKER = "machines.hosts.manager", "machines.hosts.workers[0]"


def examined(
    known: dict[str, Any] | None = None,
    manager: dict[str, Any] | None = None,
    survey: HostSurvey | None = None,
    **changes: Any,
) -> Report:
    config = host_config(**changes)
    found = survey or host_survey(config, **(known or {}))
    hosts = {**found.hosts, MANAGER: replace(found.hosts[MANAGER], **(manager or {}))}
    found = replace(found, hosts=hosts)
    settings = read_settings(config)
    plan = make_plan_on_hosts(settings, found, "dev")
    return check_hosts(plan, hosts_request(settings, "dev"), found, NOW)


def test_sound_machines_pass_with_what_they_are() -> None:
    report = examined(site__price={"unit": "EUR", "per_vcpu_hour": 0.5})
    assert report.failures == report.warnings == ()
    assert report.passed == (
        (
            "machines.hosts.manager: gate at 10.20.0.5 "
            "(Debian GNU/Linux 12 (bookworm), 4 CPUs, 8192 MB, Docker is installed)"
        ),
        (
            "machines.hosts.workers[0]: bench-1 at 10.20.0.11 "
            "(Debian GNU/Linux 12 (bookworm), 4 CPUs, 8192 MB, Docker is installed)"
        ),
        (
            "machines.hosts.workers[1]: bench-2 at 10.20.0.12 "
            "(Debian GNU/Linux 12 (bookworm), 4 CPUs, 8192 MB, Docker is installed)"
        ),
        "seats: 2 workers seat 28 (14 each, 0.5 GB a server)",
    )
    assert (report.seats, str(report.cost)) == (28, "6 EUR per hour")


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"busy_ports": {"tcp/80": "apache2"}},
        (
            "machines.hosts.manager: port tcp/80 of gate is taken by apache2. "
            "Stop apache2 there, or give another machine."
        ),
    ),
    (
        {"swarm_state": "active"},
        (
            "machines.hosts.manager: gate is in a Docker swarm already (active). "
            "Give another machine, or have it leave: docker swarm leave --force."
        ),
    ),
    (
        {"stack": "swarmhub-other"},
        (
            "machines.hosts.manager: gate is part of the stack swarmhub-other already. "
            "Destroy that stack first, or give another machine."
        ),
    ),
    (
        {"state_of": "swarmhub-other"},
        (
            "machines.hosts.manager: gate keeps the hub's state of the stack swarmhub-other. "
            "Use a stack of that name, or remove it there: sudo rm -r /var/lib/swarmhub."
        ),
    ),
    (
        {"network_mtu": None},
        (
            "machines.hosts.manager: gate has no interface with the address 10.20.0.5. "
            "An address that is translated on the way is public_address. "
            "Give the machine's own address in site.subnet_cidr."
        ),
    ),
    (
        {"runs_systemd": False},
        "machines.hosts.manager: gate does not run systemd. Use Debian, Ubuntu or Rocky Linux.",
    ),
    (
        {"installs_packages": False},
        "machines.hosts.manager: gate has neither apt-get nor dnf. Use Debian, Ubuntu or Rocky Linux.",
    ),
]


@pytest.mark.parametrize(("manager", "message"), FAULTS, ids=[next(iter(each)) for each, _ in FAULTS])
def test_each_thing_in_the_way_is_named_with_its_remedy(manager: dict[str, Any], message: str) -> None:
    assert [str(failure) for failure in examined(manager=manager).failures] == [message]


def test_a_stacks_own_machines_may_run_what_it_made() -> None:
    own = {"stack": "swarmhub-dev", "swarm_state": "active", "busy_ports": {"tcp/80": "docker-proxy"}}
    assert examined(known=own).failures == ()


def test_machines_of_one_name_cannot_be_told_apart() -> None:
    assert [each.where for each in examined(known={"hostname": "localhost"}).failures] == [
        *(MANAGER, WORKER, "machines.hosts.workers[1]"),
    ]


DEVICE: dict[str, Any] = {"storage": {"kind": "device", "device": "/dev/sdb"}}


@pytest.mark.parametrize(
    ("holds", "message"),
    [
        ("", None),
        ("xfs", None),
        (
            None,
            "storage.device: gate has no block device /dev/sdb. See lsblk there, and ls -l /dev/disk/by-id.",
        ),
        (
            "ext4",
            (
                "storage.device: /dev/sdb of gate holds ext4. Only a blank device or one with XFS is used. "
                "Give another, or empty this one by hand."
            ),
        ),
    ],
)
def test_only_a_blank_device_or_one_with_xfs_is_taken(holds: str | None, message: str | None) -> None:
    failures = examined(manager={"device_holds": holds}, **DEVICE).failures
    assert [str(each) for each in failures] == ([message] if message else [])


def test_what_may_be_in_the_way_is_a_warning() -> None:
    report = examined(manager={"firewalls": ("ufw",), "directory_has_quotas": False})
    assert report.failures == ()
    assert [str(each) for each in report.warnings] == [
        (
            "machines.hosts.manager: ufw is active on gate. The machines must reach each other, and all the "
            "world ports 80 and 443 of the manager. See that ufw lets that pass; it is not changed."
        ),
        (
            "storage.home_quota_gb: /srv/homes of gate is not on XFS that is mounted with pquota. "
            "One home can fill it for all. "
            "Mount such a file system there, use kind: device, or set home_quota_gb to none."
        ),
    ]


def test_people_that_the_machines_do_not_seat_are_refused() -> None:
    [failure] = examined(workshop__users=40).failures
    assert str(failure) == (
        "workshop.users: 40 people do not fit on 2 workers, which seat 28. "
        "Add to machines.hosts.workers; or lower limits.memory_gb."
    )


def test_a_manager_that_its_people_will_outgrow_is_a_warning() -> None:
    report = examined(manager={"memory_mb": 2048}, workshop__users=20)
    assert report.failures == ()
    assert [str(each) for each in report.warnings] == [
        (
            "machines.hosts.manager: 10.20.0.5 has 2048 MB of memory, and for 20 people 2 CPUs and 4 GB are "
            "advised. Give a larger machine."
        )
    ]


def test_a_machine_that_did_not_answer_is_said_and_seats_nobody_yet() -> None:
    config = host_config()
    found = host_survey(config)
    finding = Finding(where=WORKER, problem="10.20.0.11 cannot be reached", remedy="See")
    silent = {where: facts for where, facts in found.hosts.items() if where != WORKER}
    report = examined(survey=HostSurvey(hosts=silent, findings=(finding,)), workshop__users=20)
    assert report.failures == (finding,)
    assert not any(line.startswith("seats") for line in report.passed)
