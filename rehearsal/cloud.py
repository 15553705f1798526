"""The cloud seen from the machine: built, started, looked at, stopped, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from rehearsal import acme, cloud_root, credentials, inputs, inside, kvm, network, paths, services
from rehearsal.api import Session, missing_services
from rehearsal.host import (
    ProcessRecord,
    available_memory_mb,
    fail,
    lock,
    require_disk,
    require_memory,
    require_root,
    step,
    system_environment,
    tail,
    wait_for,
)
from rehearsal.rootfs import NETNS_DIRECTORY, remove_tree

MINIMUM_MEMORY_MB = 6 * 1024
DISK_TO_BUILD_GB = 12
DISK_TO_RUN_GB = 4
START_TIMEOUT_SECONDS = 420
STOP_GRACE_SECONDS = 25
EXIT_OTHER_INPUTS = 3
ADDRESS_DUE_SECONDS = 60

RECORD = paths.RUN / "cloud.json"
CODE = paths.RUN / "code"
LOCK = paths.REHEARSAL / "lock"
SUPERVISOR_LOG = paths.DATA_LOGS / "supervisor.log"
STATUS = paths.DATA / inside.STATUS.name
IDENTITY = paths.DATA / "cloud.json"
ENTER = Path(__file__).with_name("enter-cloud.sh")
# What of this package decides how the services are made and run.
SERVICE_SOURCES = (
    "etc",
    "cinder",
    "neutron",
    "nova",
    "services.py",
    "supervisor.py",
    "initialise.py",
    "seed.py",
    "enter-cloud.sh",
)


def wanted_inputs() -> dict[str, str]:
    """Return what a cloud started now would be made from."""
    from rehearsal import guest

    here = Path(__file__).parent
    return {
        "the root file system": cloud_root.CLOUD_ROOT.key,
        "the services": inputs.digest(*(here / name for name in SERVICE_SOURCES)),
        "the ACME server": acme.key(),
        "the guest image": guest.key(),
    }


def _record() -> dict[str, Any] | None:
    if not RECORD.exists():
        return None
    return dict(json.loads(RECORD.read_text()))


def running() -> ProcessRecord | None:
    """Return the cloud's first process, or None when there is none."""
    record = _record()
    process = ProcessRecord(**record["process"]) if record else None
    return process if process and process.is_alive() else None


def require_running() -> ProcessRecord:
    """Return the cloud's first process; raises UserError when there is none."""
    process = running()
    if process is None:
        fail("rehearsal", "the cloud is not running", "Start it: `python3 -m rehearsal start`")
    return process


def cloud_id() -> str:
    """Return the id that was made with the cloud's data."""
    return str(json.loads(IDENTITY.read_text())["id"])


def _require_room() -> None:
    require_memory(MINIMUM_MEMORY_MB)
    is_built = paths.GUEST_DISK.exists()
    require_disk(paths.REHEARSAL, DISK_TO_RUN_GB if is_built else DISK_TO_BUILD_GB)


def install() -> None:
    """Build the cloud's root file system and the ACME server, where needed."""
    cloud_root.build()
    acme.build()


def build_image() -> None:
    """Build the container images and the guest, where needed."""
    from rehearsal import containers, guest, guest_root

    # Two at a time: unpacking packages keeps one core busy.
    with ThreadPoolExecutor(2) as pool:
        roots = pool.submit(install), pool.submit(guest_root.build)
        roots[0].result()
        roots[1].result()
    containers.build()
    guest.build()


def _prepare_data() -> None:
    """Keep the data of a cloud that was stopped cleanly and made from the same packages, else begin anew."""
    clean = paths.DATA / inside.CLEAN_STOP.name
    if paths.DATA.exists():
        made_from = json.loads(IDENTITY.read_text())["root"] if IDENTITY.exists() else ""
        reason = ""
        if not clean.exists():
            reason = "it was not stopped cleanly, and its databases are not written through to the disk"
        elif made_from != cloud_root.CLOUD_ROOT.key:
            reason = "it was made by other packages"
        if reason:
            print(f"  The data of the last cloud is deleted: {reason}. The new cloud starts empty.")
            remove_tree(paths.DATA)
    paths.DATA_LOGS.mkdir(parents=True, exist_ok=True)
    clean.unlink(missing_ok=True)
    STATUS.unlink(missing_ok=True)
    if not IDENTITY.exists():
        identity = {"id": str(uuid.uuid4()), "root": cloud_root.CLOUD_ROOT.key}
        IDENTITY.write_text(json.dumps(identity))


def _orders() -> dict[str, Any]:
    return dict(json.loads((paths.DATA / inside.START_ORDERS.name).read_text()))


def _write_orders(virt_type: str, *, dns: bool) -> None:
    passwords = credentials.load_secrets()
    orders = {
        "address": network.API_ADDRESS,
        "name_server": network.HOST_ADDRESS,
        "virt_type": virt_type,
        "dns": dns,
        "clouds_file": str(inside.DATA / credentials.CLOUD_CLIENT_FILE),
    }
    (paths.DATA / inside.START_ORDERS.name).write_text(json.dumps(orders))
    client_file = credentials.clouds_file(passwords)
    credentials.write_private(paths.DATA / credentials.CLOUD_CLIENT_FILE, client_file)
    values = {
        "address": network.API_ADDRESS,
        "name_server": network.HOST_ADDRESS,
        "bridge": network.BRIDGE,
        "region": inside.REGION,
        "host": inside.HOST_NAME,
        "host_uuid": cloud_id(),
        "data": str(inside.DATA),
        "service_password": passwords["service"],
        "metadata_secret": passwords["metadata"],
        "fixed_key": passwords["fixed_key"],
        "rndc_key": passwords["rndc_key"],
        "dns_zone": inside.DNS_ZONE,
        "virt_type": virt_type,
        "cpu_mode": "host-passthrough" if virt_type == "kvm" else "none",
    }
    services.write_settings(paths.DATA / inside.SETTINGS.name, values)


def _copy_code() -> None:
    shutil.rmtree(CODE, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for package in ("rehearsal", "swarmhub"):
        shutil.copytree(paths.CHECKOUT / package, CODE / package, ignore=ignore)


def _child_of(pid: int) -> int | None:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            return int(status.parent.name)
    return None


def _launch() -> ProcessRecord:
    """Start the supervisor in its namespaces; return the first process among them."""
    network.end_strays()
    namespaces = ("--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child")
    with SUPERVISOR_LOG.open("ab") as log:
        outer = subprocess.Popen(
            [
                "nsenter",
                f"--net={NETNS_DIRECTORY / network.NAMESPACE}",
                "unshare",
                *namespaces,
                "sh",
                str(ENTER),
                *(str(path) for path in (paths.CLOUD_ROOT, paths.DATA, CODE, paths.ARTIFACTS)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=system_environment(),
            start_new_session=True,
            cwd="/",
        )
    wait_for(
        "the cloud's first process",
        lambda: _child_of(outer.pid),
        log=SUPERVISOR_LOG,
        timeout_seconds=10,
        interval_seconds=0.05,
        while_true=lambda: outer.poll() is None,
    )
    process = ProcessRecord.of(_child_of(outer.pid) or 0)
    record = {"process": asdict(process), "inputs": wanted_inputs()}
    RECORD.write_text(json.dumps(record))
    return process


def _status() -> dict[str, Any]:
    return dict(json.loads(STATUS.read_text())) if STATUS.exists() else {"phase": "starting", "steps": []}


def _follow_start(process: ProcessRecord) -> None:
    """Print the supervisor's steps as they come, until it is ready; raises UserError when it is not."""
    printed = len(_status()["steps"])

    def is_decided() -> bool:
        nonlocal printed
        status = _status()
        for seconds, text in status["steps"][printed:]:
            if status["phase"] != "failed" or [seconds, text] != status["steps"][-1]:
                print(f"    {seconds:5.1f} s  {text}", flush=True)
        printed = len(status["steps"])
        return status["phase"] in {"ready", "failed"}

    wait_for(
        "the cloud",
        is_decided,
        log=SUPERVISOR_LOG,
        timeout_seconds=START_TIMEOUT_SECONDS,
        while_true=process.is_alive,
    )
    status = _status()
    if status["phase"] == "failed":
        # Paths as they are called outside.
        print(str(status["steps"][-1][1]).replace(str(inside.DATA), str(paths.DATA)), flush=True)
        fail(
            "the cloud",
            "it did not come up, for the reason above",
            "Look around with `python3 -m rehearsal logs`, end it with `python3 -m rehearsal stop`",
        )


def start(*, replace: bool, dns: bool = False) -> int:
    """Bring the cloud up, building what is missing; return the command's exit status.

    Without ``dns``, one that runs may have the DNS service or not.
    """
    require_root()
    with lock(LOCK, "start"):
        if process := running():
            recorded = (_record() or {})["inputs"]
            changed = [name for name, key in wanted_inputs().items() if recorded.get(name) != key]
            if dns and not _orders()["dns"]:
                changed.append("the DNS service")
            if not changed and _status()["phase"] in {"starting", "ready"}:
                print("The rehearsal cloud is running already.")
                # After an interrupted start it may still be on its way.
                _follow_start(process)
                credentials.write_client_files(cloud_id())
                return 0
            if changed and not replace:
                print(
                    f"The rehearsal cloud that runs was made from another state of: {', '.join(changed)}. "
                    "`python3 -m rehearsal start --replace` stops it, with its servers, and starts a new one."
                )
                return EXIT_OTHER_INPUTS
            print("Stopping the rehearsal cloud that runs:")
            _stop()
        _require_room()
        print("Starting the rehearsal cloud:")
        begin = time.monotonic()
        build_image()
        with step("guests by KVM or emulation"):
            virt_type = "kvm" if kvm.works() else "qemu"
        print(f"  Guests run by {'KVM' if virt_type == 'kvm' else 'emulation: KVM does not work here'}.")
        with step("network"):
            network.up()
        _prepare_data()
        _write_orders(virt_type, dns=dns)
        _copy_code()
        with step("services"):
            _follow_start(_launch())
            credentials.write_client_files(cloud_id())
        print(
            f"The rehearsal cloud is up after {time.monotonic() - begin:.0f} s. Client files: {paths.CLIENT}"
        )
    return 0


def _stop() -> None:
    if process := running():
        with step("services"):
            ended_by_itself = process.end(grace_seconds=STOP_GRACE_SECONDS)
        if not ended_by_itself:
            print(f"  Killed after {STOP_GRACE_SECONDS} s; the next start begins with empty data.")
    with step("network"):
        network.down()
    RECORD.unlink(missing_ok=True)
    shutil.rmtree(CODE, ignore_errors=True)


def stop() -> int:
    """End the cloud and its network; return the command's exit status, 1 when something of it is left."""
    require_root()
    with lock(LOCK, "stop"):
        if not running() and not network.is_up() and not network.RECORD.exists():
            print("The rehearsal cloud is not running.")
            return 0
        print("Stopping the rehearsal cloud:")
        _stop()
        if left := network.leftovers():
            print("Left over: " + "; ".join(left))
            return 1
        print("The rehearsal cloud is stopped; nothing of it runs or is mounted.")
        return 0


def remove() -> int:
    """Stop the cloud and delete everything it keeps; return the command's exit status."""
    require_root()
    status = stop()
    if status == 0:
        remove_tree(paths.REHEARSAL)
        print(f"Deleted {paths.REHEARSAL}.")
    return status


def enter(command: Sequence[str]) -> NoReturn:
    """Become a command inside the cloud, with an administrator's OpenStack client set up."""
    process = require_running()
    environment = system_environment(
        {
            "OS_CLIENT_CONFIG_FILE": str(inside.DATA / credentials.CLOUD_CLIENT_FILE),
            "OS_CLOUD": os.environ.get("OS_CLOUD", "rehearsal-admin"),
            "TERM": os.environ.get("TERM", "dumb"),
        }
    )
    namespaces = ("--net", "--mount", "--pid", "--uts", "--root", "--wd")
    words = ["nsenter", "-t", str(process.pid), *namespaces, *command]
    os.execvpe(words[0], words, environment)


def write_credentials() -> int:
    """Write the client files into this checkout; return the command's exit status."""
    require_running()
    credentials.write_client_files(cloud_id())
    print(f"Client files: {paths.CLIENT}")
    return 0


def _memory_used_mb(process: ProcessRecord) -> tuple[int, int]:
    """Return the memory (PSS) of the cloud's own processes and of its guests."""
    namespace = Path(f"/proc/{process.pid}/ns/pid").readlink()
    services_kb = guests_kb = 0
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (directory / "ns/pid").readlink() != namespace:
                continue
            lines = (directory / "smaps_rollup").read_text().splitlines()
            kb = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            is_guest = (directory / "comm").read_text().startswith("qemu-system")
        except (OSError, StopIteration):
            continue
        if is_guest:
            guests_kb += kb
        else:
            services_kb += kb
    return services_kb // 1024, guests_kb // 1024


def _stuck_addresses(session: Session) -> list[str]:
    """Return the floating addresses that the L3 agent has not set up in due time."""
    due = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - ADDRESS_DUE_SECONDS))
    return [
        f"floating address {address['floating_ip_address']} is {address['status']}; see `logs neutron-l3`"
        for address in session.get(9696, "/v2.0/floatingips")["floatingips"]
        if address["port_id"] and address["status"] != "ACTIVE" and address["updated_at"] < due
    ]


def status() -> int:
    """Print how the cloud is; return the command's exit status, 0 when all of it is up."""
    process = running()
    if process is None:
        print("The rehearsal cloud is not running.")
        return 1
    report = _status()
    problems = network.problems()
    lost = report.get("lost", {})
    problems += [f"{name} ended with status {code}; see `logs {name}`" for name, code in lost.items()]
    print(f"Cloud {cloud_id()}: {report['phase']}")
    print(f"  services: {len(report.get('services', {})) - len(lost)} run")
    if report["phase"] == "ready":
        try:
            session = Session.log_in(network.API_ADDRESS, credentials.load_secrets()["admin"])
            problems += [f"not reported up: {name}" for name in missing_services(session)]
            for server in session.get(8774, "/v2.1/servers/detail?all_tenants=1")["servers"]:
                print(f"  server {server['name']}: {server['status']}")
            problems += _stuck_addresses(session)
        except OSError as error:
            problems.append(f"an API does not answer: {error}")
    print(f"  guests run by {'KVM' if _orders()['virt_type'] == 'kvm' else 'emulation'}")
    services_mb, guests_mb = _memory_used_mb(process)
    print(f"  memory: {services_mb} MB services, {guests_mb} MB guests, {available_memory_mb()} MB available")
    for problem in problems:
        print(f"  problem: {problem}")
    return 1 if problems or report["phase"] != "ready" else 0


def show_log(name: str | None) -> int:
    """Print the end of a log, or which logs there are; return the command's exit status."""
    logs = {
        file.stem: file for directory in (paths.LOGS, paths.DATA_LOGS) for file in directory.glob("*.log")
    }
    if name is None:
        for known, file in sorted(logs.items()):
            print(f"{known:24} {file}")
        return 0
    if name not in logs:
        fail("logs", f"there is no log {name}", "See `python3 -m rehearsal logs` for the names")
    print(tail(logs[name], 200))
    return 0
