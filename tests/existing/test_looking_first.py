"""The look at existing machines before anything is made: real sshd, real keys, and each refusal."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from live.hosts import survey_hosts
from live.operator_key import read_operator_key
from rehearsal import machines
from swarmhub.errors import UserError
from swarmhub.facts import HostsRequest, HostSurvey
from swarmhub.plan import hosts_request
from swarmhub.settings import read_settings
from tests.existing.conftest import Lab

MANAGER, WORKER = "machines.hosts.manager", "machines.hosts.workers[0]"


def request(lab: Lab) -> HostsRequest:
    config = lab.configuration(2)["config"]
    settings = read_settings({name.removeprefix("swarmhub:"): section for name, section in config.items()})
    return hosts_request(settings, "looking")


def looked(lab: Lab, changed: HostsRequest | None = None, key_file: Path | None = None) -> HostSurvey:
    key = read_operator_key(key_file or lab.key_file)
    return survey_hosts(changed or request(lab), str(key.path), key.public)


def with_key(asked: HostsRequest, where: str, host_key: str | None) -> HostsRequest:
    hosts = tuple(replace(host, host_key=host_key) if host.where == where else host for host in asked.hosts)
    return replace(asked, hosts=hosts)


def problems(survey: HostSurvey) -> dict[str, str]:
    return {finding.where: finding.problem for finding in survey.findings}


def test_machines_say_what_they_are(lab: Lab) -> None:
    survey = looked(lab)
    assert survey.findings == ()
    assert [facts.hostname for facts in survey.hosts.values()] == ["machine-1", "machine-2", "machine-3"]
    for facts in survey.hosts.values():
        assert facts.system.startswith("Debian GNU/Linux 12")
        assert facts.docker_version.startswith("20.10")
        assert (facts.network_mtu, facts.swarm_state, facts.stack) == (1500, "inactive", "")
        assert facts.runs_systemd
        assert facts.installs_packages
        assert facts.busy_ports == {}


def test_a_port_that_is_taken_is_told_with_its_program(lab: Lab) -> None:
    manager = lab.machines[0]
    manager.run("systemd-run", "--quiet", "--unit=squatter", "nc", "-l", "-k", "-p", "80")
    try:
        facts = looked(lab).hosts[MANAGER]
        assert set(facts.busy_ports) == {"tcp/80"}
        assert facts.busy_ports["tcp/80"].startswith("nc")
    finally:
        manager.run("systemctl", "stop", "squatter")


def test_another_host_key_is_not_believed(lab: Lab) -> None:
    strange = machines.host_key(lab.machines[2])
    survey = looked(lab, with_key(request(lab), WORKER, strange))
    assert problems(survey) == {
        WORKER: f"{lab.machines[1].address} showed another host key than the known one"
    }
    assert WORKER not in survey.hosts


def test_nothing_is_asked_through_a_manager_that_is_not_believed(lab: Lab) -> None:
    strange = machines.host_key(lab.machines[2])
    survey = looked(lab, with_key(request(lab), MANAGER, strange))
    assert list(problems(survey)) == [MANAGER]
    assert survey.hosts == {}


def test_a_machine_that_no_file_knows_is_not_connected_to(lab: Lab) -> None:
    survey = looked(lab, with_key(request(lab), WORKER, None))
    assert list(problems(survey)) == [WORKER]
    assert f"has no host key of {lab.machines[1].address}" in problems(survey)[WORKER]


def test_a_key_that_is_not_admitted_comes_with_the_line_to_add(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    [finding] = looked(lab, key_file=other).findings
    assert f"does not admit {machines.USER}" in finding.problem
    assert other.with_suffix(".pub").read_text().split()[1] in finding.remedy


def test_an_account_without_sudo_is_told_so(lab: Lab) -> None:
    worker = lab.machines[1]
    file = f"/etc/sudoers.d/{machines.USER}"
    worker.run("mv", file, "/root/aside")
    try:
        assert problems(looked(lab)) == {
            WORKER: f"the account {machines.USER} may not use sudo without a password"
        }
    finally:
        worker.run("mv", "/root/aside", file)


def test_a_machine_that_is_down_is_told_from_the_others(lab: Lab) -> None:
    asked = request(lab)
    nowhere = replace(asked.hosts[1], reached_at="10.76.0.200")
    survey = looked(lab, replace(asked, hosts=(asked.hosts[0], nowhere, asked.hosts[2])))
    assert list(problems(survey)) == [WORKER]
    assert "10.76.0.200 cannot be reached" in problems(survey)[WORKER]
    assert len(survey.hosts) == 2


def test_a_key_with_a_passphrase_is_refused_and_works_through_the_agent(lab: Lab, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.write_bytes(lab.key_file.read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", locked], check=True)
    with pytest.raises(UserError, match=r"name its \.pub file"):
        read_operator_key(locked)
    public = lab.key_file.with_suffix(".pub")
    assert read_operator_key(public).private is None
