"""Machines that are there already, an issuer and a name server beside them, and a stack on them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rehearsal import acme, containers, machines, paths
from rehearsal.cloud import LOCK
from rehearsal.host import lock, wait_for
from rehearsal.native_swarm import Node, leftovers
from scripts.environment import pulumi_environment
from scripts.paths import TEST_RESULTS
from scripts.stack import Stack
from scripts.toolchain import read_choice
from tests.door.services import name_server
from tests.existing.looking import take_inventory
from tests.support.machine_inventory import Inventory
from tests.support.stacks import dev_config

DOMAIN = "hub.existing.test"
MACHINES = 3
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("existing")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.config.stash[FAILED] = True
    return report


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The machines, what they were like before anything was made, and what a stack on them needs."""

    machines: Sequence[Node]
    before: Sequence[Inventory]
    key_file: Path
    known_hosts: Path
    directory_ca: Path
    issuer_root: Path
    stack: Stack

    def configuration(self, workers: int = 1, *, with_agent: bool = False, **changes: Any) -> dict[str, Any]:
        """A stack file for the first machine as manager and the next as workers."""
        manager, *others = self.machines
        config = dev_config(
            limits__memory_gb=0.5,
            hub__domain=DOMAIN,
            tls__directory_url=f"https://{machines.RIG.host_address}:{acme.DIRECTORY_PORT}/dir",
            tls__directory_ca_file=str(self.directory_ca),
            tls__trusted_ca_file=str(self.issuer_root),
            **changes,
        )
        config["storage"] = {"kind": "none", "keep_after_destroy": False} | changes.get("storage", {})
        config["site"] = {
            "kind": "existing",
            "ssh_user": machines.USER,
            "subnet_cidr": f"{machines.RIG.network_prefix}.0/24",
            "name_server": machines.RIG.host_address,
            "private_key_file": f"{self.key_file}.pub" if with_agent else str(self.key_file),
            "known_hosts_file": str(self.known_hosts),
            # Nobody listens there: what is asked for locally must not go that way.
            "http_proxy": f"http://{machines.RIG.host_address}:3128",
            "registry_mirror": f"http://{machines.RIG.host_address}:5000",
        }
        config["machines"] = {
            "hosts": {
                # One host key from the file, the others as the stack file gives them.
                "manager": {"address": manager.address},
                "workers": [
                    {"address": each.address, "host_key": machines.host_key(each)}
                    for each in others[:workers]
                ],
            }
        }
        return {"config": {f"swarmhub:{name}": section for name, section in config.items()}}

    @property
    def host_address(self) -> str:
        """This machine's, where they find name server and issuer."""
        return machines.RIG.host_address

    def stack_named(self, name: str) -> Stack:
        """Another stack on the same machines."""
        other = replace(self.stack, name=name, configuration=self.configuration())
        other.ensure()
        return other

    def with_workers(self, workers: int, **changes: Any) -> Stack:
        """The stack as a changed stack file makes it."""
        changed = replace(self.stack, configuration=self.configuration(workers, **changes))
        changed.ensure()
        return changed


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    files = tmp_path_factory.mktemp("existing")
    key_file = files / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key_file], check=True)
    acme.make_certificates(files / "acme", machines.RIG.host_address)
    settings = acme.write_settings(files / "acme")
    shutil.copy(paths.PEBBLE, files / "pebble")
    last_images = request.config.getoption("--last-images")
    if last_images:
        store = containers.STORE
    else:
        with lock(LOCK, "container images"):
            store = containers.build()
    with ExitStack() as stack:
        there = stack.enter_context(
            machines.running_machines(store, MACHINES, key_file.with_suffix(".pub").read_text())
        )
        manager = there[0]
        if last_images:
            _lay_over(manager)
        stack.enter_context(name_server(machines.RIG.host_address, {DOMAIN: manager.address}))
        stack.enter_context(_pebble(files, settings))
        agent = stack.enter_context(_agent(files / "agent", key_file))
        known_hosts = files / "known_hosts"
        known_hosts.write_text(f"{manager.address} {machines.host_key(manager)}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True)
        state = files / "state"
        made = Lab(
            machines=there,
            before=[take_inventory(machine) for machine in there],
            key_file=key_file,
            known_hosts=known_hosts,
            directory_ca=files / "acme/ca.pem",
            issuer_root=files / "issuer.pem",
            stack=Stack(
                name="on-machines",
                environment=pulumi_environment(read_choice(), _own_environment() | agent, state=state),
                configuration={},
                state=state,
            ),
        )
        yield made
        if request.config.stash.get(FAILED, False):
            _keep_logs(there)
    assert leftovers(machines.RIG) == []


def _lay_over(manager: Node) -> None:
    """Put the hub's package of this checkout into its image."""
    source = manager.directory / "hub"
    shutil.copytree(paths.CHECKOUT / "images/hub", source)
    copies = "COPY swarmhub_hub /srv/jupyterhub/swarmhub_hub\nCOPY jupyterhub_config.py /srv/jupyterhub/\n"
    (source / "Dockerfile").write_text(f"FROM swarmhub/hub:dev\n{copies}")
    manager.run("docker", "build", "--quiet", "--tag", "swarmhub/hub:dev", "/srv/node/hub")


def _own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "OS_"))}


@contextmanager
def _agent(socket: Path, key_file: Path) -> Iterator[dict[str, str]]:
    """Run an ssh-agent that holds the key; yields the variable that leads to it."""
    variable = {"SSH_AUTH_SOCK": str(socket)}
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", key_file], env={**os.environ, **variable}, check=True)
        yield variable
    finally:
        agent.terminate()
        agent.wait(timeout=10)


def _pebble(files: Path, settings: Path) -> ExitStack:
    """Run the issuer, and have the root that it signs with in issuer.pem."""
    stack = ExitStack()
    log = stack.enter_context((files / "pebble.log").open("wb"))
    pebble = subprocess.Popen(
        [files / "pebble", "-config", settings, "-dnsserver", f"{machines.RIG.host_address}:53"],
        env={"PEBBLE_VA_NOSLEEP": "1"},
        stdout=log,
        stderr=log,
    )
    stack.callback(pebble.wait, timeout=20)
    stack.callback(pebble.terminate)
    wait_for(
        "ACME server",
        lambda: (files / "issuer.pem").write_text(
            acme.fetch_issuing_root(machines.RIG.host_address, files / "acme/ca.pem")
        ),
        log=files / "pebble.log",
        timeout_seconds=20,
        interval_seconds=0.1,
        while_true=lambda: pebble.poll() is None,
    )
    return stack


def _keep_logs(there: Sequence[Node]) -> None:
    TEST_RESULTS.mkdir(exist_ok=True)
    for machine in there:
        text = machine.run("journalctl", "--no-pager", "--lines=400")
        (TEST_RESULTS / f"{machine.name}.log").write_text(text)
