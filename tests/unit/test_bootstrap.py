"""What makes an image ready, run with commands that only note how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY

REAL = ("bash", "sed", "sort", "head", "awk", "xargs", "grep", "python3", "mv")
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
        self.command("systemctl", "[[ $1 != cat || $2 == ssh.service ]]")
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

    def installs_docker_when_asked(self) -> None:
        self.has_docker()
        (self.bin / "dockerd").rename(self.bin / "prepared")
        self.command("apt-get", f"[[ $1 == update ]] || mv {self.bin}/prepared {self.bin}/dockerd")

    def run(self, role: str = "manager") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(NODE_DIRECTORY / "bootstrap.sh"), "debian", role],
            env={"PATH": str(self.bin), "CALLS": str(self.log), "HOME": os.environ["HOME"]},
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
    assert installs == ["apt-get install -y -q --no-install-recommends docker.io"]
    assert machine.calls[-1] == "systemctl start docker.service"


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
