"""What nginx costs before the proxy: requests per second and added latency of HTTPS.

The front door's own nginx, configuration and certificate in front of configurable-http-proxy, and that alone
in plain HTTP, in alternating rounds of one run on a loopback of their own, asked in HTTP/1.1. A server
with 1 kB answers behind. Client, server, proxy and nginx share the processors.

    scripts/with-env .venv/bin/python -m benchmarks.front_door [--rounds 5] [--seconds 3]

On two processors with nothing else to do, medians of five rounds of three seconds; 50th and 99th percentile:

    .                            proxy alone              nginx before it     added to the median
    1 connection, kept     2124/s  0.42   0.82 ms   1284/s   0.69   1.99 ms   0.3 ms
    32 connections, kept   7364/s  3.82  11.24 ms   2298/s  13.06  27.49 ms   9.2 ms
    a new connection each  1666/s  0.49   1.70 ms    316/s   2.82   6.45 ms   2.3 ms, TLS's keys anew
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.door import root
from tests.door.conftest import DOMAIN, running_manager
from tests.door.services import PROXY_PORT, configurable_proxy
from tests.hub.programs import NODE, environment_of, install
from tests.hub.running import process, wait_for_answer

LOAD = Path(__file__).with_name("load.js")
SERVER_PORT = 9000
SERVER = f"""
const page = "x".repeat(1024);
require("http").createServer((_, answer) => answer.end(page)).listen({SERVER_PORT}, "127.0.0.1");
"""
PAGE = "/user/ada/x"
MANY = 32


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way of asking, and what each round of it gave."""

    name: str
    connections: int
    mode: str
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"proxy": [], "nginx": []})

    def median(self, what: str, value: str) -> float:
        return float(statistics.median(each[value] for each in self.rounds[what]))

    def describe(self, what: str) -> str:
        per_second, p50, p99 = (self.median(what, value) for value in ("per_second", "p50", "p99"))
        return f"{per_second:6.0f}/s {p50:6.2f} {p99:6.2f} ms"


@contextmanager
def proxy_and_server(directory: Path) -> Iterator[None]:
    """Have the proxy where nginx looks for it, and a server behind."""
    programs = install()
    server = ["node", "-e", SERVER]
    with (
        process(server, directory / "server.log", environment_of(programs)),
        configurable_proxy(programs, f"http://127.0.0.1:{SERVER_PORT}", directory / "proxy.log") as started,
    ):
        wait_for_answer(f"http://127.0.0.1:{PROXY_PORT}{PAGE}", started, directory / "proxy.log")
        yield


def load(url: str, case: Case, seconds: float, ca: Path | None = None) -> dict[str, Any]:
    """Ask for so long; raises RuntimeError when anything but a page comes back."""
    command = [str(NODE / "node"), str(LOAD), url, str(case.connections), str(seconds), case.mode]
    done = subprocess.run(
        [*command, *([str(ca)] if ca else [])], capture_output=True, text=True, check=True, timeout=300
    )
    found = dict(json.loads(done.stdout))
    if found["errors"] or not found["requests"]:
        raise RuntimeError(f"{case.name}: {found['errors']} errors at {url}")
    return found | {"per_second": found["requests"] / seconds}


def measure(cases: Sequence[Case], rounds: int, seconds: float) -> None:
    """Fill the cases' rounds, the proxy alone and nginx in turn."""
    with tempfile.TemporaryDirectory() as made, running_manager(Path(made)) as manager:
        manager.certify()
        with proxy_and_server(manager.files):
            for _ in range(rounds):
                for case in cases:
                    plain = load(f"http://127.0.0.1:{PROXY_PORT}{PAGE}", case, seconds)
                    case.rounds["proxy"].append(plain)
                    by_nginx = load(f"https://{DOMAIN}{PAGE}", case, seconds, manager.issuer)
                    case.rounds["nginx"].append(by_nginx)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        # Both are fetched by the network that the rest does without.
        root.build()
        install()
        again = ("-m", "benchmarks.front_door", *sys.argv[1:], "--inside")
        os.execvp("unshare", ["unshare", "--net", sys.executable, *again])
    cases = (
        Case(name="1 connection, kept", connections=1, mode="keep"),
        Case(name=f"{MANY} connections, kept", connections=MANY, mode="keep"),
        Case(name="a new connection each", connections=1, mode="close"),
    )
    measure(cases, options.rounds, options.seconds)
    print(f"{'':<22} {'proxy alone':>28}  {'nginx before it':>28}  {'added':>9}")
    for case in cases:
        added = case.median("nginx", "p50") - case.median("proxy", "p50")
        columns = f"{case.describe('proxy'):>28}  {case.describe('nginx'):>28}"
        print(f"{case.name:<22} {columns}  {added:>6.2f} ms")
    print("Requests per second, median and 99th percentile of the latency; medians of the rounds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
