"""How a worker comes to be in the swarm and leaves it, on a docker that keeps its nodes in files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarmhub.text import NODE_DIRECTORY

# A node is a file named by its id: hostname, state, availability, address, number of running tasks.
DOCKER = r"""#!/bin/bash
echo "$*" >>"$CALLS"
cd "$NODES"
case "$1 $2" in
  "node ls")
    grep -l "^${5#name=}" * ;;
  "node inspect")
    read -r hostname state availability _ <"$5" || exit 1
    case $4 in
      "{{.Description.Hostname}}") echo "$hostname" ;;
      "{{.Status.State}} {{.Spec.Availability}}") echo "$state $availability" ;;
      "{{.Status.State}} {{.Description.Hostname}}") echo "$state $hostname" ;;
      *) exit 2 ;;
    esac ;;
  "node ps")
    if [[ $3 == --filter ]]; then
      read -r _ _ _ _ tasks <"${@: -1}"
      for ((n = 0; n < tasks; n++)); do printf "user-ada$n.1\nproxy.1\n"; done
      exit
    fi
    read -r _ _ availability _ tasks <"$5"
    for ((n = 0; n < tasks; n++)); do echo "Running 3 minutes ago"; done
    echo "Shutdown 1 second ago"
    [[ $availability != drain || $STUCK ]] || sed -i 's/ [0-9]*$/ 0/' "$5" ;;
  "node update")
    sed -i -E "s/^(\\S+ \\S+) \\S+/\\1 $4/" "$5" ;;
  "node rm")
    rm "$4" ;;
esac
"""


@pytest.fixture
def swarm(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "nodes").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    node(tmp_path, "m", "manager ready active 10.20.0.11 0")
    return tmp_path


def node(swarm: Path, identity: str, text: str) -> None:
    (swarm / "nodes" / identity).write_text(f"{text}\n")


def nodes(swarm: Path) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in (swarm / "nodes").iterdir()}


def run(swarm: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(NODE_DIRECTORY / script), *arguments],
        env={
            "PATH": f"{swarm / 'bin'}:{os.environ['PATH']}",
            "NODES": str(swarm / "nodes"),
            "CALLS": str(swarm / "calls"),
            "SWARMHUB_WAIT_SECONDS": "0",
            "STUCK": "",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_ready_worker_is_active_and_what_a_former_machine_left_is_removed(swarm: Path) -> None:
    node(swarm, "a", "worker-1 down active 10.20.0.31 0")
    node(swarm, "b", "worker-1 ready pause 10.20.0.12 0")
    node(swarm, "c", "worker-10 down active 10.20.0.30 0")
    for _ in range(2):
        ran = run(swarm, "ensure-swarm-member.sh", "worker-1", "b")
        assert (ran.returncode, ran.stderr) == (0, "")
    assert nodes(swarm) == {
        "m": "manager ready active 10.20.0.11 0",
        "b": "worker-1 ready active 10.20.0.12 0",
        "c": "worker-10 down active 10.20.0.30 0",
    }


@pytest.mark.parametrize("identity", ["a", "unheardof"])
def test_a_worker_that_does_not_come_is_named(swarm: Path, identity: str) -> None:
    node(swarm, "a", "worker-1 down pause 10.20.0.12 0")
    ran = run(swarm, "ensure-swarm-member.sh", "worker-1", identity)
    assert ran.returncode == 1
    assert ran.stderr.startswith("swarm: worker-1 is not ready after 0 s.")
    assert nodes(swarm)["a"] == "worker-1 down pause 10.20.0.12 0"


def test_a_leaving_worker_is_drained_and_then_removed(swarm: Path) -> None:
    node(swarm, "a", "worker-1 ready active 10.20.0.12 2")
    node(swarm, "c", "worker-10 ready active 10.20.0.30 1")
    ran = run(swarm, "remove-swarm-member.sh", "worker-1", SWARMHUB_WAIT_SECONDS="20")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (
        "swarm: worker-1 leaves. These servers end, and start again on another worker when their people do: "
        "user-ada0 user-ada1\n"
    )
    assert set(nodes(swarm)) == {"m", "c"}
    assert nodes(swarm)["c"] == "worker-10 ready active 10.20.0.30 1"
    calls = (swarm / "calls").read_text()
    assert calls.index("node update --availability drain a") < calls.index("node rm --force a")
    assert run(swarm, "remove-swarm-member.sh", "worker-1").returncode == 0


def test_a_worker_that_does_not_end_its_servers_leaves_after_a_while(swarm: Path) -> None:
    node(swarm, "a", "worker-1 ready active 10.20.0.12 2")
    ran = run(swarm, "remove-swarm-member.sh", "worker-1", STUCK="yes")
    assert ran.returncode == 0
    assert ran.stderr == "swarm: worker-1 still runs servers after 0 s; they end with the machine\n"
    assert "a" not in nodes(swarm)
