"""Tell as JSON what an existing machine is like, before anything is changed on it. Reads alone.

``request`` comes with this text: ``address``, ``ports`` such as ``tcp/80``, ``device`` and ``directory``.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
from typing import Any

ANSWER_SECONDS = 20
XFS_PROJECT_QUOTA = re.compile(r"\b(pquota|prjquota)\b")


def said(*command: str) -> str:
    """What a command prints; nothing when it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def host_keys() -> list[str]:
    """The public halves of the keys that sshd answers with."""
    files = re.findall(r"^hostkey (.+)$", said("/usr/sbin/sshd", "-T"), re.MULTILINE)
    found = files or [str(path) for path in pathlib.Path("/etc/ssh").glob("ssh_host_*_key")]
    return [" ".join(key.split()[:2]) for key in (read(f"{file}.pub") for file in found) if key]


def mtu_of(address: str) -> int | None:
    """Of the interface that has the address."""
    for interface in json.loads(said("ip", "-json", "-4", "address") or "[]"):
        if any(each.get("local") == address for each in interface.get("addr_info", [])):
            return int(interface["mtu"])
    return None


def busy_ports(ports: list[str]) -> dict[str, str]:
    """Those that something listens on, each with the program's name where it has one."""
    found = {}
    for line in said("ss", "-Hlntup").splitlines():
        words = line.split()
        port = f"{words[0]}/{words[4].rpartition(':')[2]}"
        program = re.search(r'users:\(\("([^"]+)"', line)
        if port in ports:
            found[port] = program.group(1) if program else "the system"
    return found


def device_holds(device: str) -> str | None:
    """What is on a block device, nothing when it is blank, None when there is none."""
    try:
        if not pathlib.Path(device).is_block_device():
            return None
    except OSError:
        return None
    kinds = said("blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "PTTYPE", device)
    if len(said("lsblk", "-n", "-o", "NAME", device).splitlines()) > 1:
        return f"{kinds} with parts in use".strip()
    return kinds.replace("\n", " ")


def directory_has_quotas(directory: str) -> bool:
    """Whether the nearest directory that is there lies on XFS with project quotas."""
    place = pathlib.Path(directory)
    while not place.is_dir():
        place = place.parent
    kind, _, options = said("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", str(place)).partition(" ")
    return kind == "xfs" and bool(XFS_PROJECT_QUOTA.search(options))


def survey(request: dict[str, Any]) -> dict[str, Any]:
    memory = re.search(r"^MemTotal:\s+(\d+)", read("/proc/meminfo"), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    firewalls = [
        unit.removesuffix(".service")
        for unit in ("ufw.service", "firewalld.service")
        if said("systemctl", "is-active", unit) == "active"
    ]
    return {
        "hostname": socket.gethostname(),
        "system": system.group(1) if system else "",
        "vcpus": os.cpu_count() or 1,
        "memory_mb": int(memory.group(1)) // 1024 if memory else 0,
        "host_keys": host_keys(),
        "network_mtu": mtu_of(request["address"]),
        "installs_packages": any(shutil.which(each) for each in ("apt-get", "dnf")),
        "runs_systemd": pathlib.Path("/run/systemd/system").is_dir(),
        "docker_version": said("docker", "version", "--format", "{{.Server.Version}}"),
        "swarm_state": said("docker", "info", "--format", "{{.Swarm.LocalNodeState}}"),
        "stack": read("/etc/swarmhub/stack"),
        "state_of": read("/var/lib/swarmhub/state-of"),
        "firewalls": firewalls,
        "busy_ports": busy_ports(request["ports"]),
        "device_holds": device_holds(request["device"]) if request["device"] else None,
        "directory_has_quotas": directory_has_quotas(request["directory"]) if request["directory"] else False,
    }


if "request" in globals():
    print(json.dumps(survey(globals()["request"])))
