"""What is on a machine: whatever a stack could leave behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

# What is made by running a machine at all, or stays on purpose.
DIRECTORIES = ("/etc", "/opt", "/var/lib/swarmhub", "/var/nfs", "/root", "/srv/homes")
CHANGES_BY_ITSELF = ("/etc/docker/key.json", "/etc/machine-id", "/etc/group-", "/etc/gshadow-")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Each a sorted text of lines, so that a difference shows."""

    files: str
    mounts: str
    containers: str
    volumes: str
    networks: str
    swarm: str
    rules: str
    tables: str
    ports: str
    units: str
    fstab: str
    group: str
    held: str

    def differences(self, other: Inventory) -> list[str]:
        """Lines that only one of the two has, marked by + for the other's, each with what it is about."""
        found = []
        for name in (field.name for field in fields(self)):
            mine, its = set(getattr(self, name).splitlines()), set(getattr(other, name).splitlines())
            found += [f"{name}: - {line}" for line in sorted(mine - its)]
            found += [f"{name}: + {line}" for line in sorted(its - mine)]
        return found


def look(run_script: Callable[[str], str]) -> Inventory:
    """Take the inventory of the machine that runs these scripts as root and returns what they print."""

    def lines(command: str) -> str:
        return "\n".join(sorted(run_script(command).splitlines()))

    # Files with what they hold, links with where they lead.
    found = f"find {' '.join(DIRECTORIES)} -xdev 2>/dev/null"
    listed = lines(f"{found} -type f -exec md5sum {{}} +; {found} -type l -printf '%l  %p\\n'; true")
    return Inventory(
        files="\n".join(
            line for line in listed.splitlines() if line.partition("  ")[2] not in CHANGES_BY_ITSELF
        ),
        mounts=lines(
            "findmnt -n -l -o TARGET,FSTYPE | awk '{print $1, $2}' | "
            "grep -v -E '^/(run|dev|proc|sys|var/lib/docker)'"
        ),
        containers=lines("docker ps --all --format '{{.Names}}'"),
        volumes=lines("docker volume ls --format '{{.Name}}'"),
        networks=lines("docker network ls --format '{{.Name}} {{.Driver}}'"),
        swarm=lines("docker info --format '{{.Swarm.LocalNodeState}}'"),
        rules=lines("iptables-save | grep -i swarmhub || true"),
        tables=lines("nft list tables | grep swarmhub || true"),
        ports=lines("ss -Hlntu | awk '{print $1, $5}' | grep -E ':(80|443|2049|2377|4789|7946)$' || true"),
        units=lines(
            "systemctl list-unit-files --no-legend | grep -v -E 'docker-|run-docker' | awk '{print $1, $2}'"
        ),
        fstab=lines("cat /etc/fstab"),
        group=lines("getent group docker"),
        held=lines("apt-mark showhold"),
    )
