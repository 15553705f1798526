"""A Docker swarm of several nodes on this machine, without emulation: each node is a set of namespaces.

A node has the guest's root file system, a Docker daemon, an address of its own on a bridge, and the container
images that were built. All of it ends with the process that started it, even when that is killed: nothing but
files stays behind. What it cannot show, as the kernel may lack it: NFS, project quotas, virtual addresses.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rehearsal import guest_root, paths
from rehearsal.docker_api import DockerApi
from rehearsal.host import fail, lock, run, succeeds, system_environment, wait_for
from rehearsal.rootfs import remove_tree

CGROUP = "swarmhub-native"
BRIDGE = "nodes"
OVERLAY = "hub"
OVERLAY_SUBNET = "10.79.0.0/20"
OVERLAY_MTU = "1450"
CGROUPS = Path("/sys/fs/cgroup")
NODES = 2
MINIMUM_MEMORY_MB = 3000
DISK_TO_RUN_GB = 3
START_TIMEOUT_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Rig:
    """What sets of nodes have for themselves, so that another kind can run beside them.

    ``enter`` is the script that starts a node, ``network_prefix`` the first three numbers of its address.
    """

    what: str
    directory: Path
    enter: Path
    network_prefix: str
    host_interface: str
    cgroup: str

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def host_address(self) -> str:
        """This machine's, on the nodes' network."""
        return f"{self.network_prefix}.1"

    def address(self, number: int) -> str:
        return f"{self.network_prefix}.{10 + number}"


RIG = Rig(
    what="native swarm",
    directory=paths.REHEARSAL / "native-swarm",
    enter=Path(__file__).with_name("enter-node.sh"),
    network_prefix="10.77.0",
    host_interface="swarmhub-n",
    cgroup=CGROUP,
)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A running node. ``pid`` is its first process, as this machine counts."""

    name: str
    address: str
    directory: Path
    keeper: subprocess.Popen[bytes]
    pid: int

    @property
    def docker(self) -> DockerApi:
        """Its daemon."""
        return DockerApi(self.directory / "docker.sock")

    @property
    def log(self) -> Path:
        """Its daemon's log."""
        return self.directory / "dockerd.log"

    def run(self, *command: str) -> str:
        """Run a command in the node, as in host.run."""
        parts = ("mount", "net", "pid", "uts", "root")
        return run(
            [
                "nsenter",
                f"--target={self.pid}",
                *(f"--{part}" for part in parts),
                "--wdns=/",
                "--",
                *command,
            ]
        )

    def in_network(self, *command: str) -> str:
        """Run one of this machine's commands in the node's network."""
        return run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command])


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """Nodes that form a swarm; the first is its manager."""

    nodes: Sequence[Node]

    @property
    def manager(self) -> Node:
        """The node that takes orders."""
        return self.nodes[0]

    @property
    def docker(self) -> DockerApi:
        """The manager's daemon."""
        return self.manager.docker


def _daemon_command(name: str, number: int) -> list[str]:
    return [
        "dockerd",
        "--host=unix:///run/docker.sock",
        "--host=unix:///srv/node/docker.sock",
        "--data-root=/srv/node/data",
        "--storage-driver=overlay2",
        f"--bip=10.78.{number}.1/24",
        f"--cgroup-parent=/{CGROUP}/{name}",
        # Nothing stands behind it: Swarm only counts them.
        f"--node-generic-resource=GPU=made-up-on-{name}",
        "--exec-opt=native.cgroupdriver=cgroupfs",
    ]


def child_of(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with suppress(OSError):
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink():
                return int(pid)
    return 0


def _start_node(number: int, store: Path) -> Node:
    name = f"node-{number}"
    directory = RIG.directory / name
    directory.mkdir(parents=True)
    # Layers are only read; what Docker changes it replaces.
    run(["cp", "-al", store, directory / "data"])
    with (directory / "dockerd.log").open("ab") as sink:
        keeper = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--propagation", "private"),
                *("--fork", "--kill-child"),
                *("sh", str(RIG.enter), str(guest_root.SPEC.directory), str(directory), name, "--"),
                *_daemon_command(name, number),
            ],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env=system_environment(),
            start_new_session=True,
            cwd="/",
        )
    log = directory / "dockerd.log"
    try:
        wait_for(
            f"namespaces of {name}",
            lambda: child_of(keeper),
            log=log,
            timeout_seconds=10,
            interval_seconds=0.02,
            while_true=lambda: keeper.poll() is None,
        )
    except BaseException:
        end(keeper)
        raise
    return Node(
        name=name,
        address=RIG.address(number),
        directory=directory,
        keeper=keeper,
        pid=child_of(keeper),
    )


def _let_go(node: Node) -> None:
    assert node.keeper.stdin is not None
    node.keeper.stdin.write(b"\n")
    node.keeper.stdin.close()


def end(keeper: subprocess.Popen[bytes]) -> None:
    keeper.kill()
    keeper.wait()


def connect(nodes: Sequence[Node], rig: Rig) -> None:
    """Join the nodes and this machine by a bridge in the first one; it goes with that one's namespace."""
    first, *others = nodes
    run(
        [
            *("ip", "link", "add", rig.host_interface, "type", "veth"),
            *("peer", "name", "host", "netns", str(first.pid)),
        ]
    )
    run(["ip", "addr", "add", f"{rig.host_address}/24", "dev", rig.host_interface])
    run(["ip", "link", "set", rig.host_interface, "up"])
    inside = first.in_network
    inside("ip", "link", "set", "lo", "up")
    inside("ip", "link", "add", BRIDGE, "type", "bridge")
    inside("ip", "addr", "add", f"{first.address}/24", "dev", BRIDGE)
    inside("ip", "link", "set", BRIDGE, "up")
    inside("ip", "link", "set", "host", "master", BRIDGE, "up")
    for node in others:
        inside(
            *("ip", "link", "add", node.name, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
        )
        inside("ip", "link", "set", node.name, "master", BRIDGE, "up")
        node.in_network("ip", "link", "set", "lo", "up")
        node.in_network("ip", "addr", "add", f"{node.address}/24", "dev", "eth0")
        node.in_network("ip", "link", "set", "eth0", "up")


def _form(nodes: Sequence[Node]) -> None:
    first, *others = nodes
    first.docker.post("/swarm/init", {"AdvertiseAddr": first.address, "ListenAddr": f"{first.address}:2377"})
    token = first.docker.get("/swarm")["JoinTokens"]["Worker"]
    for node in others:
        node.docker.post(
            "/swarm/join",
            {
                "AdvertiseAddr": node.address,
                "ListenAddr": f"{node.address}:2377",
                "RemoteAddrs": [f"{first.address}:2377"],
                "JoinToken": token,
            },
        )
    first.docker.post(
        "/networks/create",
        {
            "Name": OVERLAY,
            "Driver": "overlay",
            "Attachable": True,
            "IPAM": {"Config": [{"Subnet": OVERLAY_SUBNET}]},
            "Options": {"com.docker.network.driver.mtu": OVERLAY_MTU},
        },
    )


def _cgroups(rig: Rig) -> list[Path]:
    # Version 1 has a hierarchy for each controller, version 2 one for all.
    return [*CGROUPS.glob(rig.cgroup), *CGROUPS.glob(f"*/{rig.cgroup}")]


def _remove_cgroups(rig: Rig) -> None:
    """Docker leaves its own cgroups' parents, and those of containers that were killed with their daemon."""
    for top in _cgroups(rig):
        for directory, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()


def leftovers(rig: Rig = RIG) -> list[str]:
    """Return what of a rig is on this machine, apart from files."""
    interface = Path("/sys/class/net") / rig.host_interface
    found = [f"interface {rig.host_interface}"] if interface.exists() else []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if str(rig.enter) in command and any(word.startswith(f"{rig.directory}/") for word in command):
                found.append(f"process {process.name}")
    return found + [f"cgroup {path}" for path in _cgroups(rig)]


def clean_up(rig: Rig) -> None:
    """Remove what is left; namespaces of processes that were just killed take their time to go."""

    def gone() -> bool:
        _remove_cgroups(rig)
        return not leftovers(rig)

    if (Path("/sys/class/net") / rig.host_interface).exists():
        # It would go with its peer's namespace.
        succeeds(["ip", "link", "del", rig.host_interface])
    deadline = time.monotonic() + 20
    while not gone() and time.monotonic() < deadline:
        time.sleep(0.1)
    if rest := leftovers(rig):
        fail(rig.what, f"something is left: {'; '.join(rest)}", "End it, then try again")
    for directory in rig.directory.glob("*-*"):
        remove_tree(directory)


@contextmanager
def running_swarm(store: Path, count: int = NODES) -> Iterator[Swarm]:
    """Have a swarm whose nodes have the images of a store; its daemons' logs are in the rig's directory.

    Raises UserError when one runs already or a node does not come up. ``store`` must be on its disk.
    """
    with lock(RIG.lock, RIG.what):
        clean_up(RIG)
        nodes: list[Node] = []
        try:
            for number in range(1, count + 1):
                nodes.append(_start_node(number, store))
            connect(nodes, RIG)
            for node in nodes:
                _let_go(node)
            for node in nodes:
                _await_daemon(node)
            _form(nodes)
            yield Swarm(nodes=nodes)
        finally:
            for node in nodes:
                end(node.keeper)
            clean_up(RIG)


def _await_daemon(node: Node) -> None:
    wait_for(
        f"Docker daemon of {node.name}",
        node.docker.answers,
        log=node.log,
        timeout_seconds=START_TIMEOUT_SECONDS,
        interval_seconds=0.1,
        while_true=lambda: node.keeper.poll() is None,
    )
