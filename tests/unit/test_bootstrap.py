"""What makes an image ready, run with commands that only note how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY

REAL = ("bash", "sed", "sort", "head", "awk", "xargs", "grep", "python3", "mv", "sleep", "tee", "cat")
NOTE = '#!/bin/bash\necho "${0##*/} $*" >>"$CALLS"\n'


class Machine:
    """A directory of commands in the place of a machine's; ``calls`` are those that were noted."""

    def __init__(self, directory: Path, docker_version: str) -> None:
        self.bin, self.log = directory / "bin", directory / "calls"
        self.bin.mkdir()
        self.log.touch()
        for name in REAL:
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)
        for name in ("usermod", "apt-mark", "exportfs", "mount.nfs4", "mkfs.xfs", "curl", "iptables", "nft"):
            self.command(name)
        self.command("systemctl", "[[ $1 != is-active && ( $1 != cat || $2 == ssh.service ) ]]")
        self.dnf_conf = directory / "dnf.conf"
        self.dnf_conf.write_text("[main]\n")
        self.command(
            "dpkg-query", 'printf "docker.io installed\\nrunc installed\\ncontainerd unknown\\n"; exit 1'
        )
        self.dockerd = f'#!/bin/bash\necho "Docker version {docker_version}, build 1"\n'

    def command(self, name: str, then: str = "") -> None:
        (self.bin / name).write_text(f"{NOTE}{then}\n")
        (self.bin / name).chmod(0o755)

    def has_docker(self) -> None:
        (self.bin / "dockerd").write_text(self.dockerd)
        (self.bin / "dockerd").chmod(0o755)
        self.command("docker")

    def installs_docker_when_asked(self) -> None:
        self.has_docker()
        (self.bin / "docker").unlink()
        (self.bin / "dockerd").rename(self.bin / "prepared")
        self.command("apt-get", f"[[ $1 == update ]] || mv {self.bin}/prepared {self.bin}/dockerd")

    def run(self, role: str = "manager", *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(NODE_DIRECTORY / "bootstrap.sh"), "debian", role, *more],
            env={
                "PATH": str(self.bin),
                "CALLS": str(self.log),
                "HOME": os.environ["HOME"],
                "RETRY_SECONDS": "0.1",
                "DNF_CONF": str(self.dnf_conf),
                "REPOSITORIES": str(self.dnf_conf.parent / "yum.repos.d"),
            },
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


def test_an_image_with_docker_gets_nothing_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "28.2.2")
    machine.has_docker()
    machine.command("apt-get")
    assert machine.run().returncode == 0
    assert not any(call.startswith("apt-get") for call in machine.calls)
    assert "apt-mark hold docker.io runc" in machine.calls
    assert "systemctl try-reload-or-restart ssh.service" in machine.calls
    assert "systemctl restart docker.service" not in machine.calls


@pytest.mark.skipif(Path("/usr/sbin/dockerd").exists(), reason="this machine's own dockerd would be found")
def test_docker_comes_from_the_distribution_where_it_is_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "20.10.24+dfsg1")
    machine.installs_docker_when_asked()
    assert machine.run().returncode == 0
    installs = [call for call in machine.calls if call.startswith("apt-get install")]
    assert installs == ["apt-get install -y --no-install-recommends docker.io -q -o DPkg::Lock::Timeout=300"]
    assert machine.calls[-1] == "systemctl start docker.service"


@pytest.mark.skipif(Path("/usr/sbin/dockerd").exists(), reason="this machine's own dockerd would be found")
def test_dockers_client_comes_too_where_it_is_a_package_apart(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "26.1.5+dfsg1")
    machine.installs_docker_when_asked()
    machine.command("apt-cache", "[[ $2 == docker-cli ]]")
    assert machine.run().returncode == 0
    assert any(" docker.io docker-cli " in call for call in machine.calls if "install" in call)


@pytest.mark.skipif(Path("/usr/sbin/dockerd").exists(), reason="this machine's own dockerd would be found")
def test_packages_wait_until_the_machine_has_upgraded_itself(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "29.1.3")
    machine.installs_docker_when_asked()
    busy = tmp_path / "busy"
    busy.touch()
    refuse = 'echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7" >&2; exit 100'
    machine.command(
        "apt-get",
        f"if [[ -e {busy} ]]; then mv {busy} {tmp_path}/free; {refuse}; fi\n"
        f"[[ $1 == update ]] || mv {machine.bin}/prepared {machine.bin}/dockerd",
    )
    assert machine.run().returncode == 0
    assert [call.split()[1] for call in machine.calls if call.startswith("apt-get")] == [
        "update",
        "update",
        "install",
    ]


@pytest.mark.skipif(Path("/usr/sbin/dockerd").exists(), reason="this machine's own dockerd would be found")
def test_packages_that_cannot_be_had_fail_at_once_with_what_apt_says(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "29.1.3")
    machine.installs_docker_when_asked()
    machine.command("apt-get", 'echo "E: The repository is not signed." >&2; exit 100')
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr == "E: The repository is not signed.\n"
    assert len([call for call in machine.calls if call.startswith("apt-get")]) == 1


def test_a_docker_too_old_is_refused_in_a_sentence(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "19.03.8")
    machine.has_docker()
    machine.command("apt-get")
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr == "bootstrap: Docker 19.03 is older than 20.10. Use a newer image\n"


@pytest.mark.parametrize("with_docker", [False, True])
def test_a_storage_machine_runs_no_docker(with_docker: bool, tmp_path: Path) -> None:
    machine = Machine(tmp_path, "19.03.8")
    machine.command("apt-get")
    if with_docker:
        machine.has_docker()
        machine.command("systemctl")
    assert machine.run("storage").returncode == 0
    assert not [call for call in machine.calls if call.startswith(("apt-get", "apt-mark", "usermod"))]
    disabled = "systemctl disable --no-reload --now --quiet docker.service docker.socket"
    assert (machine.calls[-1] == disabled) is with_docker
    assert not [call for call in machine.calls if "enable" in call]


def test_an_unknown_distribution_is_refused_in_a_sentence(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "28.2.2")
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr.startswith("bootstrap: neither apt-get nor dnf is here.")


@pytest.mark.skipif(Path("/usr/sbin/dockerd").exists(), reason="this machine's own dockerd would be found")
def test_rocky_gets_docker_from_dockers_repository_and_holds_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "28.2.2")
    machine.has_docker()
    (machine.bin / "dockerd").rename(machine.bin / "prepared")
    (machine.bin / "apt-mark").unlink()
    machine.command("dnf", f'[[ "$*" != *docker-ce ]] || mv {machine.bin}/prepared {machine.bin}/dockerd')
    for _ in range(2):
        assert machine.run().returncode == 0
    assert [call for call in machine.calls if call.startswith("dnf")] == [
        "dnf install -y -q dnf-plugins-core",
        "dnf config-manager --add-repo https://download.docker.com/linux/rhel/docker-ce.repo",
        "dnf install -y -q docker-ce",
    ]
    assert machine.dnf_conf.read_text() == "[main]\nexclude=docker-ce docker-ce-cli containerd.io\n"


def test_the_images_own_firewall_yields_to_the_clouds(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "28.2.2")
    machine.has_docker()
    machine.command("apt-get")
    machine.command("systemctl", "[[ $1 != cat || $2 == ssh.service ]]")
    assert machine.run().returncode == 0
    assert "systemctl disable --now --quiet firewalld.service" in machine.calls


def test_a_machine_that_existed_before_keeps_its_firewall_and_its_docker(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "28.2.2")
    machine.has_docker()
    machine.command("apt-get")
    machine.command("systemctl")
    for role in ("storage", "manager"):
        assert machine.run(role, "existing").returncode == 0
    assert not [call for call in machine.calls if "disable" in call]
