"""The first process of the cloud: runs in its namespaces, starts every service in order, ends them all.

It reports by one file, inside.STATUS: the phase, the steps done with their times, and the services.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rehearsal import acme, initialise, inside, services
from rehearsal.api import Session, missing_services
from rehearsal.host import CommandFailed, fail, run, succeeds, system_environment, tail, wait_for
from swarmhub.errors import UserError

SUPERVISOR_LOG = inside.LOGS / "supervisor.log"
START_TIMEOUT_SECONDS = 240
STOP_GRACE_SECONDS = 6
SERVICES_NICENESS = -5
DATABASE_STOP_SECONDS = 10
DATABASE_READY = inside.DATA / "databases-filled"
IDENTITIES_READY = inside.DATA / "identities-made"
INITIALISED = inside.DATA / "initialised"
DNS_READY = inside.DATA / "dns-made"
# Their state need not survive: queues are declared again, the cache is one.
FORGETFUL = ("rabbitmq", "memcached", "libvirtd", "pebble")
DIRECTORIES = (
    "lock",
    "keystone",
    "glance",
    "nova/instances",
    "neutron",
    "cinder",
    "volumes",
    "named",
    "home",
)


class Supervisor:
    """The services and what is known about them."""

    def __init__(self, orders: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self.orders = orders
        self.secrets = secrets
        self.address = orders["address"]
        self.begin = time.monotonic()
        self.since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.phase = "starting"
        self.steps: list[tuple[float, str]] = []
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.lost: dict[str, int] = {}

    def report(self, step: str | None = None, phase: str | None = None) -> None:
        """Add a step to the report, or change the phase."""
        if step:
            self.steps.append((round(time.monotonic() - self.begin, 1), step))
            print(f"{self.steps[-1][0]:7.1f} s  {step}", flush=True)
        self.phase = phase or self.phase
        status = {
            "phase": self.phase,
            "steps": self.steps,
            "services": {name: process.pid for name, process in self.running.items()},
            "lost": self.lost,
        }
        unfinished = inside.STATUS.with_suffix(".partial")
        unfinished.write_text(json.dumps(status))
        unfinished.rename(inside.STATUS)

    def start(self, service: services.Service) -> None:
        """Start a service; waits for the message queues it needs."""
        if service.queues:
            self.wait(f"consumers of {', '.join(service.queues)}", lambda: have_consumers(service.queues))
        with (inside.LOGS / f"{service.name}.log").open("ab") as log:
            self.running[service.name] = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=system_environment({"HOME": str(inside.DATA / "home"), **service.environment}),
                start_new_session=True,
            )

    def look_for_lost(self) -> None:
        """Note the services that have ended by themselves."""
        for name, process in self.running.items():
            status = process.poll()
            if status is not None and name not in self.lost:
                self.lost[name] = status
                self.report(f"{name} ended with status {status}")

    def wait(self, what: str, test: Callable[[], object], log: Path = SUPERVISOR_LOG) -> None:
        """Wait for something a service must reach; a service that ends meanwhile ends the wait."""

        def check() -> object:
            self.look_for_lost()
            for name, status in self.lost.items():
                lost_log = inside.LOGS / f"{name}.log"
                fail(
                    name, f"it ended with status {status}", f"Its log {lost_log} ends with\n{tail(lost_log)}"
                )
            return test()

        wait_for(what, check, log=log, timeout_seconds=START_TIMEOUT_SECONDS)

    def log_in(self) -> Session:
        """Return a session of the administrator."""
        return Session.log_in(self.address, self.secrets["admin"])

    def bring_up(self) -> None:
        """Start everything, in order, and initialise what is new."""
        new = not (inside.DATA / "mysql" / "mysql").is_dir()
        if new:
            initialise.make_database_server()
        for service in services.backing_services():
            self.start(service)
        acme_directory = inside.DATA / "acme"
        acme.make_certificates(acme_directory, self.address)
        self.start(services.pebble(acme.write_settings(acme_directory), self.orders["name_server"]))
        client = ("mariadb", "-uroot", "-S", inside.DATA / "mysql.sock", "-e", "select 1")
        self.wait("database server", lambda: succeeds(client), inside.LOGS / "mariadb.log")
        self.report("database server")
        if not DATABASE_READY.exists():
            initialise.fill_databases(self.secrets["admin"], self.address)
            DATABASE_READY.touch()
            self.report("databases filled")

        self.start(services.keystone())
        self.wait("Keystone", lambda: self.log_in(), inside.LOGS / "keystone.log")
        self.report("Keystone")
        if not IDENTITIES_READY.exists():
            initialise.make_identities(self.log_in(), dict(self.secrets))
            IDENTITIES_READY.touch()
            self.report("identities and catalogue")

        self.wait("message broker", lambda: is_listening("127.0.0.1", 5672), inside.LOGS / "rabbitmq.log")
        for service in services.openstack_services():
            self.start(service)
        self.report("OpenStack's services started")
        for name, port in services.API_PORTS.items():
            self.wait(f"the API of {name}", partial(is_listening, self.address, port))
        self.report("APIs answer")
        if not INITIALISED.exists():
            self.wait("the report of nova-compute", lambda: "nova-compute" not in self.missing(since=""))
            initialise.map_compute_host(inside.LOGS / "initialise-nova.log")
            INITIALISED.touch()
        # Images can be uploaded while the agents are still making their first reports.
        seed = threading.Thread(target=self.seed)
        seed.start()
        self.wait("the services' reports", lambda: not self.missing(since=self.since))
        self.report("services and agents report")
        if self.orders["dns"]:
            self.bring_up_dns()
            self.report("DNS service")
        initialise.show_dns(self.log_in(), runs=bool(self.orders["dns"]))
        seed.join()
        if self.seed_error:
            raise self.seed_error
        self.report("images, flavors, external network", phase="ready")

    def bring_up_dns(self) -> None:
        """Start the DNS service, and initialise it if it is new."""
        new = not DNS_READY.exists()
        if new:
            initialise.fill_dns_database()
        for service in services.dns_backing_services():
            self.start(service)
        queues = services.DESIGNATE_QUEUES
        self.wait(
            "consumers of central", lambda: have_consumers(queues), inside.LOGS / "designate-central.log"
        )
        if new:
            initialise.make_dns_pool()
            DNS_READY.touch()
        for service in services.dns_services():
            self.start(service)
        for name, _, port, _ in services.DNS_CATALOGUE:
            self.wait(f"the API of {name}", partial(is_listening, self.address, port))

    seed_error: Exception | None = None

    def seed(self) -> None:
        """Make what an administrator of a cloud provides."""
        try:
            environment = {
                "PYTHONPATH": str(inside.CODE),
                "OS_CLIENT_CONFIG_FILE": self.orders["clouds_file"],
            }
            run(
                ["/usr/bin/python3", "-m", "rehearsal.seed"],
                log=inside.LOGS / "seed.log",
                environment=environment,
                timeout_seconds=START_TIMEOUT_SECONDS,
            )
        except CommandFailed as error:
            self.seed_error = error

    def missing(self, since: str) -> list[str]:
        """Return which services have not reported."""
        return missing_services(self.log_in(), since)

    def end(self, names: Sequence[str], grace_seconds: float) -> None:
        """Ask services to end, all at once, and kill those that do not."""
        live = [
            self.running[name] for name in names if name in self.running and self.running[name].poll() is None
        ]
        for process in live:
            process.terminate()
        deadline = time.monotonic() + grace_seconds
        for process in live:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def bring_down(self) -> NoReturn:
        """End everything; what else lives in the namespace (guests, helpers) ends with its first process."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        was_ready = self.phase == "ready"
        self.report("stopping", phase="stopping")
        self.end([name for name in self.running if name not in (*FORGETFUL, "mariadb")], STOP_GRACE_SECONDS)
        for name in FORGETFUL:
            if name in self.running:
                self.running[name].kill()
        self.end(["mariadb"], DATABASE_STOP_SECONDS)
        if was_ready and "mariadb" not in self.lost:
            inside.CLEAN_STOP.touch()
        self.report("stopped", phase="stopped")
        os._exit(0)


def have_consumers(queues: Sequence[str]) -> bool:
    """Whether somebody reads each of these message queues."""
    import amqp  # type: ignore[import-not-found]

    for queue in queues:
        try:
            with amqp.Connection("127.0.0.1:5672", userid="guest", password="guest") as connection:
                if not connection.channel().queue_declare(queue, passive=True).consumer_count:
                    return False
        except amqp.exceptions.NotFound:
            return False
    return True


def is_listening(address: str, port: int) -> bool:
    """Whether a TCP port takes connections."""
    with socket.create_connection((address, port), timeout=2):
        return True


def prepare_namespaces(orders: Mapping[str, str]) -> None:
    """Name the host, put own files over the system's, stand in for the emulator, allow forwarding."""
    socket.sethostname(inside.HOST_NAME)
    for name in DIRECTORIES:
        (inside.DATA / name).mkdir(parents=True, exist_ok=True)
    # All of it is declared anew by the services.
    run(["rm", "-rf", inside.DATA / "rabbitmq"])
    (inside.DATA / "rabbitmq").mkdir()
    (inside.DATA / "rabbitmq" / "enabled_plugins").write_text("[].\n")

    hosts = inside.SETTINGS / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {inside.HOST_NAME}\n")
    own = {
        hosts: Path("/etc/hosts"),
        inside.SETTINGS / "libvirt": Path("/etc/libvirt"),
        inside.DATA / "libvirt": Path("/var/lib/libvirt"),
        inside.DATA / "libvirt-cache": Path("/var/cache/libvirt"),
        inside.LOGS / "libvirt": Path("/var/log/libvirt"),
    }
    for source, target in own.items():
        if source != hosts:
            source.mkdir(parents=True, exist_ok=True)
            target.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", source, target])

    if orders["virt_type"] != "kvm" and Path("/dev/kvm").exists():
        # libvirt must not find a device that does not run guests.
        run(["mount", "--bind", os.devnull, "/dev/kvm"])
    emulator = Path("/usr/bin/qemu-system-x86_64")
    moved = Path("/run/emulator/bin") / emulator.name
    moved.parent.mkdir(parents=True)
    moved.touch()
    # The emulator finds its firmware relative to where it lies.
    Path("/run/emulator/share").symlink_to("/usr/share")
    Path("/run/emulator/lib").symlink_to("/usr/lib")
    run(["mount", "--bind", emulator, moved])
    run(["mount", "--bind", services.TEMPLATES / services.EMULATOR_WRAPPER, emulator])

    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    for protocol in ("iptables", "ip6tables", "arptables"):
        switch = Path(f"/proc/sys/net/bridge/bridge-nf-call-{protocol}")
        if not switch.exists():
            fail(
                "network",
                f"{switch} is missing",
                "Run `modprobe br_netfilter` on the machine",
                "Security groups filter bridged traffic",
            )
        switch.write_text("1\n")


def supervise() -> NoReturn:
    """Run the cloud until told to stop."""
    orders = json.loads(inside.START_ORDERS.read_text())
    secrets = json.loads(inside.SECRETS.read_text())
    supervisor = Supervisor(orders, secrets)
    # Guests keep every core busy while they boot; what controls them must not queue behind them.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, SERVICES_NICENESS)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    try:
        prepare_namespaces(orders)
        supervisor.bring_up()
        while True:
            time.sleep(2)
            supervisor.look_for_lost()
    except SystemExit:
        pass
    except (UserError, CommandFailed) as error:
        supervisor.report(str(error), phase="failed")
        # Goes on until it is stopped, so that one can look around.
        with suppress(SystemExit):
            signal.pause()
    supervisor.bring_down()


def main() -> NoReturn:
    """Be the first process: reap at once whatever ends, pass the order to stop on, leave with the supervisor.

    libvirt takes a zombie among its probes for a process that survives being killed, 40 s each time.
    """
    child = os.fork()
    if child == 0:
        supervise()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == child:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
