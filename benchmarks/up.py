"""`pulumi up` against two bare servers, in one run on the rehearsal cloud.

First two servers of the dev stack's flavors are created by openstacksdk, with a cloud-config that does
nothing but say so, and timed until both consoles show that cloud-init has finished. Then the dev stack's
configuration goes up, again three times, and down, each timed as a whole process with the options of
`make up`. Of the three the median counts.

The ups without changes wait until the machine is at rest: the emulated servers share its processors, and for
up to a minute after the probe they still take away its server, which on a real cloud slows nobody else.
Needs a running cloud:

    scripts/with-env --rehearsal .venv/bin/python -m benchmarks.up
"""

from __future__ import annotations

import base64
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import openstack
import yaml
from openstack.exceptions import SDKException

from scripts.stack import OPTIONS_OF_A_CHANGE

CHECKOUT = Path(__file__).resolve().parent.parent
CLOUD = "rehearsal-test"
STACK = "benchmark"
PREFIX = "benchmark-bare"
FINISHED = "cloud-init-has-finished"
# runcmd is the last thing that cloud-init does.
BARE_CLOUD_CONFIG = f"#cloud-config\nruncmd: [[sh, -c, 'echo {FINISHED} >/dev/console']]\n"
BOOT_LIMIT_SECONDS = 600
FACTOR, CONSTANT_SECONDS = 1.5, 120.0
# At rest: less than a tenth of the processors' time used, five seconds on end.
QUIET_SHARE, QUIET_SECONDS, QUIET_LIMIT_SECONDS = 0.1, 5, 180
DESTROY_LIMIT_SECONDS, SECOND_UP_LIMIT_SECONDS = 20.0, 5.0


@contextmanager
def bare_network(cloud: Any) -> Iterator[Any]:
    """A network with a subnet and nothing else."""
    network = cloud.network.create_network(name=PREFIX)
    try:
        cloud.network.create_subnet(network_id=network.id, name=PREFIX, ip_version=4, cidr="10.99.0.0/24")
        yield network
    finally:
        for port in list(cloud.network.ports(network_id=network.id)):
            with suppress(SDKException):
                cloud.network.delete_port(port)
        cloud.network.delete_network(network)


def time_bare_servers(config: dict[str, Any]) -> float:
    """Seconds from the first create call until both servers' cloud-init has finished."""
    cloud = openstack.connect(cloud=CLOUD)
    image = cloud.image.find_image(config["swarmhub:site"]["image"], ignore_missing=False)
    machines = config["swarmhub:machines"]
    names = [machines["manager"], machines["worker"]["flavor"]]
    flavors = [cloud.compute.find_flavor(name, ignore_missing=False) for name in names]
    user_data = base64.b64encode(BARE_CLOUD_CONFIG.encode()).decode()
    with bare_network(cloud) as network:
        begin = time.monotonic()
        servers = [
            cloud.compute.create_server(
                name=f"{PREFIX}-{number}",
                image_id=image.id,
                flavor_id=flavor.id,
                networks=[{"uuid": network.id}],
                user_data=user_data,
            )
            for number, flavor in enumerate(flavors, start=1)
        ]
        try:
            waiting = {server.id for server in servers}
            while waiting:
                if time.monotonic() - begin > BOOT_LIMIT_SECONDS:
                    raise SystemExit(f"bare servers: not booted within {BOOT_LIMIT_SECONDS} s")
                time.sleep(1)
                for each in list(waiting):
                    with suppress(SDKException):
                        output = cloud.compute.get_server_console_output(each, length=20)["output"]
                        if FINISHED in output:
                            waiting.remove(each)
            return time.monotonic() - begin
        finally:
            for server in servers:
                cloud.compute.delete_server(server)
            for server in servers:
                cloud.compute.wait_for_delete(server, wait=120)


def time_pulumi(*arguments: str) -> float:
    """Seconds one whole pulumi process takes; its output is shown only when it fails."""
    begin = time.monotonic()
    ran = subprocess.run(
        ["pulumi", *arguments, "--stack", STACK, "--non-interactive"],
        cwd=CHECKOUT,
        text=True,
        capture_output=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"pulumi {arguments[0]}: failed\n{ran.stdout}{ran.stderr}")
    return time.monotonic() - begin


def processor_ticks() -> tuple[int, int]:
    """Busy ticks and all ticks of the machine's processors since its start, as proc(5) counts them."""
    # Guests' time is counted in user and nice already; the fields after steal would count it twice.
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def wait_for_rest() -> float:
    """Seconds until the machine was at rest. Ends the benchmark when it does not come to rest."""
    begin = time.monotonic()
    quiet = 0
    while quiet < QUIET_SECONDS:
        if time.monotonic() - begin > QUIET_LIMIT_SECONDS:
            raise SystemExit(
                f"the machine did not come to rest within {QUIET_LIMIT_SECONDS} s: what else runs?"
            )
        busy, all_ticks = processor_ticks()
        time.sleep(1)
        busy_after, all_after = processor_ticks()
        quiet = quiet + 1 if busy_after - busy < QUIET_SHARE * (all_after - all_ticks) else 0
    return time.monotonic() - begin


def main() -> int:
    config = yaml.safe_load((CHECKOUT / "Pulumi.dev.yaml").read_text())["config"]
    bare = time_bare_servers(config)
    config["swarmhub:site"]["cloud"] = CLOUD
    stack_file = CHECKOUT / f"Pulumi.{STACK}.yaml"
    time_pulumi("stack", "init")
    # A passphrase's salt, if the backend has one, is in the file that init wrote.
    written = yaml.safe_load(stack_file.read_text()) if stack_file.exists() else {}
    stack_file.write_text(yaml.safe_dump({**written, "config": config}))
    try:
        up = time_pulumi("up", *OPTIONS_OF_A_CHANGE)
        rest = wait_for_rest()
        again = [time_pulumi("up", *OPTIONS_OF_A_CHANGE, "--expect-no-changes") for _ in range(3)]
    finally:
        down = time_pulumi("destroy", *OPTIONS_OF_A_CHANGE)
        time_pulumi("stack", "rm", "--yes")
        stack_file.unlink(missing_ok=True)
    limit = FACTOR * bare + CONSTANT_SECONDS
    rows = [
        ("two bare servers, both cloud-inits done", bare, None),
        ("pulumi up, 1 manager + 1 worker", up, limit),
        ("pulumi up, no changes, median of three", statistics.median(again), SECOND_UP_LIMIT_SECONDS),
        ("pulumi destroy", down, DESTROY_LIMIT_SECONDS),
    ]
    for what, seconds, most in rows:
        print(f"{what:42} {seconds:7.1f} s" + (f"   goal {most:.0f} s" if most else ""))
    print("the three: " + ", ".join(f"{each:.1f} s" for each in again) + f", {rest:.0f} s after the first up")
    return int(any(most is not None and seconds > most for _, seconds, most in rows))


if __name__ == "__main__":
    sys.exit(main())
