"""The look at the cloud before anything is made, at a real one: quotas, credentials, names."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection
from openstack.exceptions import raise_from_response

from rehearsal.paths import CHECKOUT
from scripts.stack import Stack
from swarmhub.preflight import QUOTAS
from tests.cloud.conftest import configuration_for_tests
from tests.cloud.credentials import application_credential
from tests.cloud.test_first_light import expect_refusal
from tests.support.phases import Phases

MakeStack = Callable[[str, dict[str, Any], dict[str, str]], Stack]
DOCTOR_SECONDS = 120


@pytest.fixture
def doctor(make_stack: MakeStack, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `swarmhub doctor` on a stack file like the dev stack's, with changes of its sections."""
    environment = dict(make_stack("doctor", configuration_for_tests(), {}).environment)

    def run(clouds: Path | None = None, **sections: Any) -> subprocess.CompletedProcess[str]:
        configuration = configuration_for_tests()
        for name, changes in sections.items():
            configuration["config"].setdefault(f"swarmhub:{name}", {}).update(changes)
        file = tmp_path / "Pulumi.doctor.yaml"
        file.write_text(yaml.safe_dump(configuration))
        return subprocess.run(
            [sys.executable, "-m", "live.cli", "doctor", "--file", str(file)],
            cwd=CHECKOUT,
            env=environment | ({"OS_CLIENT_CONFIG_FILE": str(clouds)} if clouds else {}),
            capture_output=True,
            text=True,
            timeout=DOCTOR_SECONDS,
        )

    return run


def failures(ran: subprocess.CompletedProcess[str]) -> list[str]:
    assert ran.stderr == ""
    return [
        line.removeprefix("FAILED ").strip() for line in ran.stdout.splitlines() if line.startswith("FAILED")
    ]


@contextmanager
def quota(proxy: Any, path: str, key: str, **lowered: int) -> Iterator[None]:
    """The project's quotas lowered for a while, by an administrator."""
    answer = proxy.get(path)
    raise_from_response(answer)
    before = {name: answer.json()[key][name] for name in lowered}
    raise_from_response(proxy.put(path, json={key: lowered}))
    try:
        yield
    finally:
        raise_from_response(proxy.put(path, json={key: before}))


def test_a_sound_stack_passes(doctor: Any, phases: Phases) -> None:
    with phases.phase("doctor"):
        ran = doctor(site={"price": {"unit": "SU", "per_vcpu_hour": 1}})
    print(ran.stdout)
    assert failures(ran) == []
    assert ran.returncode == 0
    assert "ok       site.image: debian-12 (" in ran.stdout
    assert "warning" not in ran.stdout
    assert "cost     3 SU per hour\n" in ran.stdout
    for name in QUOTAS.values():
        assert f"ok       quota of {name}: " in ran.stdout


def test_lowered_quotas_fail_all_at_once_and_stop_up(
    doctor: Any, make_stack: MakeStack, connection: Connection, administrator: Connection
) -> None:
    project = connection.current_project_id
    computes, networks, volumes = administrator.compute, administrator.network, administrator.block_storage
    with (
        quota(computes, f"/os-quota-sets/{project}", "quota_set", cores=2, instances=1),
        quota(networks, f"/quotas/{project}", "quota", floatingip=0, security_group_rule=5),
        quota(volumes, f"/os-quota-sets/{project}", "quota_set", gigabytes=1),
    ):
        ran = doctor()
        print(ran.stdout)
        assert ran.returncode == 1
        assert [failure.partition(":")[0] for failure in failures(ran)] == [
            f"quota of {QUOTAS[name]}"
            for name in ("instances", "cores", "volume_gb", "floating_ips", "security_group_rules")
        ]
        assert ran.stdout.endswith("5 failures to mend\n")
        stack = make_stack("full", configuration_for_tests(), {})
        with pytest.raises(Exception, match="quota of instances: 2 more are needed, and 1 of 1 are free"):
            stack.change("up")
        assert stack.count_resources() == 0
        stack.remove()
    assert failures(doctor()) == []


def test_an_application_credential_works_until_it_ends_too_early(
    doctor: Any, connection: Connection, tmp_path: Path
) -> None:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)
    expires_at = f"{end:%Y-%m-%dT%H:%M:%S}"
    with application_credential(connection, tmp_path, "spring", expires_at=expires_at) as file:
        ran = doctor(clouds=file)
        print(ran.stdout)
        assert failures(ran) == []
        assert f"by application credential spring, which expires on {end:%Y-%m-%d}" in ran.stdout
        ends = (end + datetime.timedelta(days=1)).date()
        [failure] = failures(doctor(clouds=file, workshop={"ends": ends}))
        assert f"expires on {end:%Y-%m-%d}, and the workshop ends on {ends}" in failure


def test_names_that_the_cloud_has_not_are_said_with_all_others(doctor: Any) -> None:
    ran = doctor(
        site={"volume_type": "fsat", "availability_zone": "nowhere", "extra_security_groups": ["defualt"]},
        workshop={"users": 3},
    )
    assert [failure.partition(":")[0] for failure in failures(ran)] == [
        "site.extra_security_groups[0]",
        "site.volume_type",
        "site.availability_zone",
        "workshop.users",
    ]


def test_a_missing_flavor_stands_beside_the_quotas(
    doctor: Any, make_stack: MakeStack, connection: Connection
) -> None:
    configuration = configuration_for_tests()
    configuration["config"]["swarmhub:machines"]["manager"] = "s1.lrage"
    expect_refusal(
        make_stack("no-flavor", configuration, {}), connection, "machines.manager: the cloud has no flavor"
    )
