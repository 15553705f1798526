"""The network of the rehearsal cloud: a namespace, a veth pair, egress to ports 80 and 443, and names.

Usable by itself, since container images are built in the same namespace while the cloud is down.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal import inside, paths
from rehearsal.host import CommandFailed, ProcessRecord, boot_id, fail, run, succeeds, wait_for
from rehearsal.rootfs import NAMESPACE_RESOLV_CONF, NETNS_DIRECTORY, Root, in_root

NAMESPACE = "swarmhub-cloud"
HOST_INTERFACE = "swarmhub-h"
CLOUD_INTERFACE = "swarmhub-c"
BRIDGE = "br-ex"
BRIDGE_HARDWARE_ADDRESS = "02:00:ac:18:04:02"
SUBNET = ipaddress.ip_network("172.24.4.0/24")
HOST_ADDRESS = "172.24.4.1"
API_ADDRESS = "172.24.4.2"
FLOATING_FIRST = "172.24.4.50"
FLOATING_LAST = "172.24.4.250"
DOMAIN = "rehearsal.test"
NAME_PREFIX = "hub-"
RULE_COMMENT = "swarmhub-rehearsal"
EGRESS_PORTS = "80,443"

RECORD = paths.RUN / "network.json"
DNS_RECORD = paths.RUN / "dnsmasq.json"
DNS_LOG = paths.LOGS / "dnsmasq.log"
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """What up() found and chose, for down() to undo."""

    boot: str
    iptables: str
    ip_forward: str
    netns_was_mounted: bool


def name_of(address: str) -> str:
    """Return the name under which the rehearsal cloud's name server knows a floating address."""
    return f"{NAME_PREFIX}{address.replace('.', '-')}.{DOMAIN}"


def _load_record() -> NetworkRecord | None:
    if not RECORD.exists():
        return None
    record = NetworkRecord(**json.loads(RECORD.read_text()))
    return record if record.boot == boot_id() else None


def is_up() -> bool:
    """Whether up() was completed by this cache directory and not undone since."""
    dns = ProcessRecord.load(DNS_RECORD)
    return _load_record() is not None and dns is not None and dns.is_alive()


def _is_mount(path: Path) -> bool:
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _interfaces() -> set[str]:
    return {entry.name for entry in Path("/sys/class/net").iterdir()}


def overlapping_route(routes: str) -> str | None:
    """Return the first line of ``ip route`` that leads to part of the cloud's subnet by another interface."""
    for line in routes.splitlines():
        words = line.split()
        if not words or HOST_INTERFACE in words:
            continue
        destination = words[1] if words[0] in {"local", "broadcast", "blackhole", "unreachable"} else words[0]
        try:
            route = ipaddress.ip_network(destination)
        except ValueError:
            continue
        if route.prefixlen and route.overlaps(SUBNET):
            return line.strip()
    return None


def require_free() -> None:
    """Raise UserError when the addresses or names up() needs are taken by something else."""
    if route := overlapping_route(run(["ip", "-4", "route", "show", "table", "all"])):
        fail(
            "network",
            f"this machine already has a route into {SUBNET}: {route}",
            "Remove that route or use another machine",
            "The rehearsal cloud needs that address range for itself",
        )
    if (NETNS_DIRECTORY / NAMESPACE).exists() or HOST_INTERFACE in _interfaces():
        fail(
            "network",
            f"namespace {NAMESPACE} or interface {HOST_INTERFACE} exists, and not from {paths.CACHE}",
            f"Stop the rehearsal cloud of the other cache directory, or, if it was killed: "
            f"`ip netns del {NAMESPACE}; ip link del {HOST_INTERFACE}`",
            "One machine carries one rehearsal cloud",
        )


def _outward_interface() -> str:
    found = re.search(r"\bdev (\S+)", run(["ip", "-4", "route", "show", "default"]))
    if not found:
        fail(
            "network",
            "this machine has no default route",
            "Connect it",
            "Package registries must be reachable",
        )
    return found[1]


def _choose_iptables() -> str:
    """Return the variant that already has rules here: rules of the other one would not override them."""
    legacy_tables = Path("/proc/net/ip_tables_names")
    has_legacy = legacy_tables.exists() and legacy_tables.read_text().strip()
    return "iptables-legacy" if has_legacy else "iptables-nft"


def _add_rules(root: Root, iptables: str) -> None:
    outward = _outward_interface()
    mark = ("-m", "comment", "--comment", RULE_COMMENT)
    into, back = ("-i", HOST_INTERFACE, "-o", outward), ("-i", outward, "-o", HOST_INTERFACE)
    rules = (
        (
            "-t",
            "nat",
            "-I",
            "POSTROUTING",
            "-s",
            str(SUBNET),
            "!",
            "-d",
            str(SUBNET),
            *mark,
            "-j",
            "MASQUERADE",
        ),
        ("-I", "FORWARD", *into, *mark, "-j", "REJECT"),
        (
            "-I",
            "FORWARD",
            *into,
            "-p",
            "tcp",
            "-m",
            "multiport",
            "--dports",
            EGRESS_PORTS,
            *mark,
            "-j",
            "ACCEPT",
        ),
        (
            "-I",
            "FORWARD",
            *back,
            "-m",
            "conntrack",
            "--ctstate",
            "ESTABLISHED,RELATED",
            *mark,
            "-j",
            "ACCEPT",
        ),
        ("-I", "INPUT", "-i", HOST_INTERFACE, "-p", "udp", "--dport", "53", *mark, "-j", "ACCEPT"),
        ("-I", "INPUT", "-i", HOST_INTERFACE, "-p", "tcp", "--dport", "53", *mark, "-j", "ACCEPT"),
    )
    for rule in rules:
        root.run([iptables, "-w", *rule])


def _remove_rules(root: Root, iptables: str) -> None:
    for table in ("nat", "filter"):
        for line in root.run([iptables, "-w", "-t", table, "-S"]).splitlines():
            if RULE_COMMENT in line:
                root.run([iptables, "-w", "-t", table, "-D", *shlex.split(line)[1:]])


def _make_links() -> None:
    # Without it bridged traffic passes security groups; the module may be built in or loaded.
    succeeds(["modprobe", "br_netfilter"])
    run(["ip", "netns", "add", NAMESPACE])
    run(
        [
            "ip",
            "link",
            "add",
            HOST_INTERFACE,
            "type",
            "veth",
            "peer",
            "name",
            CLOUD_INTERFACE,
            "netns",
            NAMESPACE,
        ]
    )
    run(["ip", "addr", "add", f"{HOST_ADDRESS}/{SUBNET.prefixlen}", "dev", HOST_INTERFACE])
    run(["ip", "link", "set", HOST_INTERFACE, "up"])
    within = ("ip", "-n", NAMESPACE)
    run([*within, "link", "set", "lo", "up"])
    # A bridge without an address of its own takes its ports' lowest, and the API answers from another one
    # whenever a router comes or goes: this machine then asks the old one for up to a minute.
    run([*within, "link", "add", BRIDGE, "address", BRIDGE_HARDWARE_ADDRESS, "type", "bridge"])
    run([*within, "link", "set", CLOUD_INTERFACE, "master", BRIDGE, "up"])
    run([*within, "addr", "add", f"{API_ADDRESS}/{SUBNET.prefixlen}", "dev", BRIDGE])
    run([*within, "link", "set", BRIDGE, "up"])
    run([*within, "route", "add", "default", "via", HOST_ADDRESS])


# The name server outlives the command that starts it; whoever also ends it, as the tests do, has to reap it.
_started: list[subprocess.Popen[bytes]] = []


def _start_name_server(root: Root) -> None:
    resolv_conf = Path("/etc/resolv.conf").read_text()
    servers = re.findall(r"^\s*nameserver\s+(\S+)", resolv_conf, re.MULTILINE)
    command = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=",
        "--no-hosts",
        "--no-resolv",
        "--bind-interfaces",
        "--except-interface=lo",
        f"--interface={HOST_INTERFACE}",
        f"--local=/{DOMAIN}/",
        f"--server=/{inside.DNS_ZONE}/{API_ADDRESS}",
        f"--synth-domain={DOMAIN},{SUBNET},{NAME_PREFIX}",
        "--pid-file=",
        "--log-facility=-",
        *(f"--server={server}" for server in servers),
    ]
    DNS_LOG.unlink(missing_ok=True)
    process = root.start(command, log=DNS_LOG)
    _started.append(process)
    record = ProcessRecord.of(process.pid)
    record.save(DNS_RECORD)

    def answers() -> bool:
        with socket.create_connection((HOST_ADDRESS, 53), timeout=2):
            return True

    wait_for(
        "name server", answers, log=DNS_LOG, timeout_seconds=20, while_true=lambda: process.poll() is None
    )


def up() -> None:
    """Make the network unless it is up; needs the cloud's root file system for iptables and dnsmasq."""
    if is_up():
        return
    if RECORD.exists():
        down()
    require_free()
    with in_root(paths.CLOUD_ROOT) as root:
        record = NetworkRecord(
            boot=boot_id(),
            iptables=_choose_iptables(),
            ip_forward=IP_FORWARD.read_text().strip(),
            netns_was_mounted=_is_mount(NETNS_DIRECTORY),
        )
        paths.RUN.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(asdict(record)))
        NAMESPACE_RESOLV_CONF.write_text(f"nameserver {HOST_ADDRESS}\n")
        try:
            _make_links()
            _add_rules(root, record.iptables)
            IP_FORWARD.write_text("1\n")
            _start_name_server(root)
        except BaseException:
            down()
            raise


def _first_processes() -> list[ProcessRecord]:
    """Return the supervisors in the namespace, also one whose start was interrupted before it was noted."""
    if not (NETNS_DIRECTORY / NAMESPACE).exists():
        return []
    found = []
    for pid in run(["ip", "netns", "pids", NAMESPACE]).split():
        with suppress(OSError):
            if b"rehearsal.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(ProcessRecord.of(int(pid)))
    return found


def end_strays() -> None:
    """Kill supervisors that nothing knows of any more; no cloud may be running in the network."""
    for process in _first_processes():
        process.end(grace_seconds=0)


def down() -> None:
    """Undo up(), however far it got; does nothing when there is nothing of it."""
    if dns := ProcessRecord.load(DNS_RECORD):
        dns.end(grace_seconds=3)
        DNS_RECORD.unlink()
    while _started:
        _started.pop().wait(timeout=10)
    if record := _load_record():
        end_strays()
        with in_root(paths.CLOUD_ROOT) as root:
            _remove_rules(root, record.iptables)
        IP_FORWARD.write_text(record.ip_forward + "\n")
        if (NETNS_DIRECTORY / NAMESPACE).exists():
            run(["ip", "netns", "del", NAMESPACE])
        if HOST_INTERFACE in _interfaces():
            # Gone with its peer's namespace as soon as the last process there has ended.
            succeeds(["ip", "link", "del", HOST_INTERFACE])
        if not record.netns_was_mounted and _is_mount(NETNS_DIRECTORY) and not any(NETNS_DIRECTORY.iterdir()):
            # `ip netns add` mounts that directory onto itself and leaves it so.
            run(["umount", NETNS_DIRECTORY])
            NETNS_DIRECTORY.rmdir()
    NAMESPACE_RESOLV_CONF.unlink(missing_ok=True)
    RECORD.unlink(missing_ok=True)


@contextmanager
def connected() -> Iterator[str]:
    """Have the network for a while and give its namespace's name; what was up before stays up."""
    was_up = is_up()
    up()
    try:
        yield NAMESPACE
    finally:
        if not was_up:
            down()


def problems() -> list[str]:
    """Return what is missing of a network that should be up."""
    found = []
    if not (NETNS_DIRECTORY / NAMESPACE).exists():
        found.append(f"namespace {NAMESPACE} is missing")
    if HOST_INTERFACE not in _interfaces():
        found.append(f"interface {HOST_INTERFACE} is missing")
    if not is_up():
        found.append(f"the name server does not run (log: {DNS_LOG})")
    return found


def leftovers() -> list[str]:
    """Return what of the network is still on this machine, for the end of a stop."""
    found = [f"namespace {NAMESPACE}"] if (NETNS_DIRECTORY / NAMESPACE).exists() else []
    found += [f"interface {HOST_INTERFACE}"] if HOST_INTERFACE in _interfaces() else []
    try:
        with in_root(paths.CLOUD_ROOT) as root:
            for iptables in ("iptables-nft", "iptables-legacy"):
                # The legacy variant loads its tables by looking; without them there is no rule.
                if iptables == "iptables-legacy" and _choose_iptables() != iptables:
                    continue
                rules = root.run([iptables, "-S"]) + root.run([iptables, "-t", "nat", "-S"])
                found += [f"{iptables} rule {line}" for line in rules.splitlines() if RULE_COMMENT in line]
    except CommandFailed as error:
        found.append(f"unknown rules ({error})")
    return found
