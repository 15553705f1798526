"""The truth about a hub: logs in at its public URL, starts a server, runs a cell, removes it all again."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import dns.exception
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from live.jupyter import HubClient, JupyterError
from live.names import resolve
from swarmhub.errors import Finding, UserError

CELL = Path(__file__).with_name("probe_cell.py")
QUOTA_CELL = Path(__file__).with_name("probe_quota_cell.py")
REQUEST_SECONDS = 120.0
RESOLVE_SECONDS = 30.0
HTTPS_SECONDS = 60.0
LOGIN_PAGE_SECONDS = 300.0
LOG_IN_SECONDS = 120.0
PAGE_SECONDS = 120.0
KERNEL_SECONDS = 180.0
CELL_SECONDS = 120.0
FILE_SECONDS = 60.0
QUOTA_SECONDS = 300.0
CLEAN_UP_SECONDS = 180.0
COMMAND_SECONDS = 60.0
RETRY_SECONDS = 2.0

CERTIFICATE_END = "-----END CERTIFICATE-----\n"

GB = 1024**3
# An NFS client rounds sizes up to the size of its transfers, of at most this (NFS_MAX_FILE_IO_SIZE).
TRANSFER_BYTES = 2**20
# A quota up to this is written full; of a larger one it is only looked at.
WRITE_FULL_GB = 1.0
# How much more than the quota is tried, and how much of it the server's own files may take.
QUOTA_MARGIN_BYTES = 64 * 2**20

HUB_LOG = "On the manager, `docker service logs --tail 50 hub` says more"
USER_LOG = "On the manager, `docker service ls` and `docker service ps` of the probe's service say more"
QUOTA_LOG = "On the manager, `bin/swarmhub quota` and `journalctl -u swarmhub-quota` say more"
FRONT_DOOR_LOG = "On the manager, `docker ps` and `docker logs` of the nginx container say more"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The hub to probe and how to reach it.

    ``address`` is connected to in place of what the name resolves to; ``expect_home`` is the file system type
    that a home must have, ``expect_quota_gb`` what it may hold; 0 is any amount. Without ``user_password`` a
    login provider knows the users, and the probe's user is made by the hub's API. ``certificate_command``
    prints the hub's own certificate, for one that nobody's system trusts.
    """

    url: URL
    user: str
    user_password: str | None = field(repr=False)
    probe_token: str = field(repr=False)
    address: str | None = None
    nameserver: str | None = None
    ca_file: Path | None = None
    certificate_command: str | None = None
    start_timeout_seconds: float = 300.0
    expect_home: str | None = None
    expect_quota_gb: float = 0.0
    subdomains: bool = False

    @property
    def host(self) -> str:
        return self.url.host or ""

    @property
    def port(self) -> int:
        return self.url.port or 443


class Steps:
    """Runs named steps, each with a limit, and prints a line as one ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.asynccontextmanager
    async def step(self, name: str, *, limit_seconds: float, remedy: str) -> AsyncIterator[list[str]]:
        """Time what is inside; what is put into the list is shown. Raises ``UserError`` naming the step."""
        details: list[str] = []
        started = time.monotonic()
        problem: str | None = None
        try:
            async with asyncio.timeout(limit_seconds):
                yield details
        except TimeoutError:
            last = f"; the last it reported: {details[-1]}" if details else ""
            problem = f"not done after {limit_seconds:.0f} s{last}"
        except (JupyterError, aiohttp.ClientError, OSError) as error:
            problem = str(error) or type(error).__name__
        elapsed = time.monotonic() - started
        self.seconds[name] = round(elapsed, 1)
        outcome = "failed" if problem else ", ".join(details[-1:])
        print(f"probe: {name:<14} {elapsed:6.1f} s  {outcome}".rstrip(), flush=True)
        if problem:
            raise UserError([Finding(where=f"probe: {name}", problem=problem, remedy=remedy)])


class FixedResolver(AbstractResolver):
    """Leads every name to the one address that the first step found."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=self.address,
                port=port,
                family=socket.AF_INET6 if ":" in self.address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def is_address(host: str) -> bool:
    """Whether the host is an IPv4 address, which no name server knows."""
    try:
        return bool(ipaddress.IPv4Address(host))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether the host is this machine without asking any name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_target(options: argparse.Namespace, secrets: str) -> Target:
    """Make the target from the command line and the JSON on standard input; raises ``UserError``."""
    findings = []
    url = URL(options.url)
    plain = url.scheme == "http" and (options.plain_http or is_loopback(url.host or ""))
    if url.scheme != "https" and not plain:
        findings.append(
            Finding(
                where="--url",
                problem=f"{options.url!r} is not an https URL",
                remedy="Give https://<host>; plain http is for loopback, or asked for by --plain-http",
            )
        )
    if options.ca_file and not options.ca_file.is_file():
        findings.append(
            Finding(
                where="--ca-file", problem=f"{options.ca_file} is not a file", remedy="Name a PEM certificate"
            )
        )
    try:
        values = json.loads(secrets)
        user_password, probe_token = values["user_password"], str(values["probe_token"])
        if not isinstance(user_password, str | None):
            raise TypeError
    except (json.JSONDecodeError, KeyError, TypeError):
        user_password = probe_token = ""
        findings.append(
            Finding(
                where="standard input",
                problem="it does not hold the secrets",
                remedy='Give {"user_password": ..., "probe_token": ...}',
            )
        )
    if findings:
        raise UserError(findings)
    return Target(
        url=url,
        user=options.user,
        user_password=user_password,
        probe_token=probe_token,
        address=options.address,
        nameserver=options.nameserver,
        ca_file=options.ca_file,
        certificate_command=options.certificate_command,
        start_timeout_seconds=options.start_timeout_seconds,
        expect_home=options.expect_home,
        expect_quota_gb=options.expect_quota_gb,
        subdomains=options.subdomains,
    )


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and the ones in the file."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


def run_given(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the caller's, without a shell. Raises OSError, ValueError or SubprocessError."""
    return subprocess.run(
        shlex.split(command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def trust_printed(context: ssl.SSLContext, command: str) -> None:
    """Trust the first certificate that a command prints, and none that it may have signed.

    Raises ``JupyterError`` with the command's words when it prints none.
    """
    try:
        done = run_given(command)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise JupyterError(f"the hub's certificate is not to be had ({error})") from None
    first, end, _ = done.stdout.partition(CERTIFICATE_END)
    if done.returncode or not end:
        reason = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise JupyterError(f"the hub's certificate is not to be had ({reason[0]})")
    context.load_verify_locations(cadata=first + end)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


async def find_address(target: Target, details: list[str]) -> str:
    """Say where the name leads from here; raises ``JupyterError`` when nowhere and no address was given."""
    if is_loopback(target.host):
        return target.address or ("127.0.0.1" if target.host == "localhost" else target.host)
    if is_address(target.host):
        return target.host
    try:
        found = await asyncio.to_thread(resolve, target.host, target.nameserver)
    except dns.exception.DNSException as error:
        found = set()
        details.append(f"{target.host}: no name server answered ({type(error).__name__})")
    else:
        details.append(f"{target.host} is {', '.join(sorted(found)) or 'not known'}")
    if target.address:
        if target.address not in found:
            details.append(f"{details[-1]}; connecting to {target.address} as told")
        return target.address
    if not found:
        raise JupyterError(details[-1])
    return min(found)


async def check_certificate(target: Target, address: str, context: ssl.SSLContext) -> str:
    """Open TLS as a browser does and say how long the certificate lasts; retries while nothing listens."""
    while True:
        try:
            _, writer = await asyncio.open_connection(
                address, target.port, ssl=context, server_hostname=target.host
            )
            break
        except ssl.SSLCertVerificationError as error:
            raise JupyterError(
                f"the certificate of {target.host} is not accepted: {error.verify_message}"
            ) from None
        except ConnectionRefusedError:
            await asyncio.sleep(RETRY_SECONDS)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    left = ends - datetime.now(UTC)
    return f"certificate verified, {left.days} days left"


def check_home(home: dict[str, Any], expected: str | None) -> str:
    """Describe the home's file system; raises ``JupyterError`` when it is of another type than expected."""
    if expected and home["kind"] != expected:
        raise JupyterError(
            f"the home is on {home['kind']}, mounted at {home['directory']}, and not on {expected}"
        )
    return f"{home['kind']} at {home['directory']}"


def check_size(home: dict[str, Any], quota_gb: float) -> str:
    """Describe the home's size; raises ``JupyterError`` unless it is the quota's."""
    expected, found = quota_gb * GB, int(home["size_bytes"])
    if not 0 <= found - expected <= TRANSFER_BYTES:
        raise JupyterError(f"the home may hold {found / GB:.3f} GB, and not {quota_gb:g}")
    return f"a home may hold {quota_gb:g} GB"


def quota_cell(most_bytes: int) -> str:
    """The text of the cell that writes until it is stopped, but no more than that."""
    return QUOTA_CELL.read_text().replace("most_bytes = 0", f"most_bytes = {most_bytes}")


def check_full(printed: str, quota_gb: float) -> str:
    """Describe where writing ended; raises ``JupyterError`` unless the quota ended it."""
    result = json.loads(printed.splitlines()[-1])
    written, reason = int(result["written_bytes"]), str(result["stopped_by"])
    if reason not in {"ENOSPC", "EDQUOT"}:
        ending = f"{reason} ended it" if reason else "nothing ended it"
        raise JupyterError(f"{written / GB:.3f} GB were written to a home of {quota_gb:g} GB, and {ending}")
    if written < quota_gb * GB - QUOTA_MARGIN_BYTES:
        raise JupyterError(f"a home of {quota_gb:g} GB was full after {written / GB:.3f} GB")
    if not result["removed"]:
        raise JupyterError("what was written could not be removed")
    return f"stopped by {reason} after {written / GB:.3f} of {quota_gb:g} GB, removed"


def check_worker(result: dict[str, Any]) -> str:
    """Say where the server runs: an NFS mount names both ends.

    Raises ``JupyterError`` when they are one machine.
    """
    options = dict(option.split("=", 1) for option in result["home"]["options"] if "=" in option)
    client, server = options.get("clientaddr"), options.get("addr")
    container = f"container {result['hostname']}"
    if not client or not server:
        return container
    if client == server:
        raise JupyterError(f"it runs at {client}, which is the machine that holds the homes")
    return f"{container} at {client}, homes at {server}"


async def probe(target: Target) -> dict[str, float]:
    """Go the whole way of a student and clean up after, also when a step failed; returns seconds by step.

    Raises ``UserError`` naming the step that failed.
    """
    steps = Steps()
    async with steps.step(
        "resolve", limit_seconds=RESOLVE_SECONDS, remedy="Set the name's DNS record"
    ) as said:
        address = await find_address(target, said)
    context = await asyncio.to_thread(trust, target.ca_file)
    if target.url.scheme == "https":
        async with steps.step("https", limit_seconds=HTTPS_SECONDS, remedy=FRONT_DOOR_LOG) as said:
            if target.certificate_command:
                await asyncio.to_thread(trust_printed, context, target.certificate_command)
            said.append(await check_certificate(target, address, context))
    # A cookie for a bare address is kept as well: tests run on loopback.
    cookies = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(resolver=FixedResolver(address), ssl=context)
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies, timeout=timeout) as http:
        client = HubClient(
            http=http,
            base=target.url,
            user=target.user,
            token=target.probe_token,
            by_token=target.user_password is None,
            by_host=target.subdomains,
        )
        async with steps.step("login page", limit_seconds=LOGIN_PAGE_SECONDS, remedy=HUB_LOG):
            await client.fetch_login_page()
        async with steps.step("tidy", limit_seconds=CLEAN_UP_SECONDS, remedy=HUB_LOG) as said:
            said.append("an earlier probe removed" if await client.remove_user() else "nothing to remove")
        try:
            await _use_server(target, client, steps)
        except BaseException:
            # The first failure is the one to tell; a second one on the way out gets its line all the same.
            with contextlib.suppress(UserError):
                await _clean_up(client, steps)
            raise
        await _clean_up(client, steps)
    return steps.seconds


async def _use_server(target: Target, client: HubClient, steps: Steps) -> None:
    async with steps.step("log in", limit_seconds=LOG_IN_SECONDS, remedy=HUB_LOG) as said:
        if target.user_password is None:
            said.append(f"{await client.find_provider()} would ask people who they are")
            await client.make_user()
        else:
            await client.log_in(await client.fetch_login_form(), target.user_password)
    async with steps.step(
        "start server", limit_seconds=target.start_timeout_seconds, remedy=USER_LOG
    ) as said:
        await client.start_server(said.append)
    async with steps.step("open page", limit_seconds=PAGE_SECONDS, remedy=USER_LOG):
        await client.open_page("lab")
    async with steps.step("start kernel", limit_seconds=KERNEL_SECONDS, remedy=USER_LOG):
        kernel_id = await client.start_kernel()
    async with (
        steps.step("run cell", limit_seconds=CELL_SECONDS, remedy=USER_LOG) as said,
        client.open_kernel(kernel_id) as kernel,
    ):
        result = read_result(await kernel.run(CELL.read_text()))
        said.append(f"6 * 7 = {result['product']}")
    async with steps.step("read file", limit_seconds=FILE_SECONDS, remedy=USER_LOG) as said:
        if await client.read_file(result["file"]) != result["text"]:
            raise JupyterError(f"{result['file']} reads back otherwise than it was written")
        said.append(result["file"])
        await client.delete_file(result["file"])
    async with steps.step("home", limit_seconds=1, remedy="Check `homes` of hub.yaml") as said:
        said.append(check_home(result["home"], target.expect_home))
    if target.expect_quota_gb:
        await _check_quota(target, client, kernel_id, result["home"], steps)
    async with steps.step("worker", limit_seconds=1, remedy="Check `placement` of hub.yaml") as said:
        said.append(check_worker(result))


async def _check_quota(
    target: Target, client: HubClient, kernel_id: str, home: dict[str, Any], steps: Steps
) -> None:
    quota_gb = target.expect_quota_gb
    async with steps.step("quota", limit_seconds=QUOTA_SECONDS, remedy=QUOTA_LOG) as said:
        said.append(check_size(home, quota_gb))
        if quota_gb > WRITE_FULL_GB:
            return
        most_bytes = int(quota_gb * GB) + QUOTA_MARGIN_BYTES
        async with client.open_kernel(kernel_id) as kernel:
            printed = await kernel.run(quota_cell(most_bytes))
        said.append(check_full(printed, quota_gb))


async def _clean_up(client: HubClient, steps: Steps) -> None:
    async with steps.step("clean up", limit_seconds=CLEAN_UP_SECONDS, remedy=HUB_LOG) as said:
        await client.remove_user()
        said.append(f"{client.user}, server and home removed")


def read_result(printed: str) -> dict[str, Any]:
    """Parse the cell's one line of JSON; raises ``JupyterError`` when it is another."""
    try:
        result = json.loads(printed.splitlines()[-1])
        if result["product"] != 42:
            raise ValueError
        return dict(result)
    except (IndexError, KeyError, TypeError, ValueError):
        raise JupyterError(f"the cell printed {printed[:200]!r}") from None


def show_logs(command: str) -> None:
    """Run what fetches the log, without a shell, and pass its last output on."""
    print(f"probe: log: {command}", file=sys.stderr, flush=True)
    try:
        run = run_given(command)
        print((run.stdout + run.stderr).rstrip(), file=sys.stderr, flush=True)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"probe: log: not to be had ({error})", file=sys.stderr, flush=True)


async def _probe_until_told(target: Target) -> dict[str, float]:
    # `pulumi cancel` and a terminal's hang-up end the probe as Ctrl-C does: after its clean-up.
    task = asyncio.ensure_future(probe(target))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="live.probe",
        description=__doc__,
        epilog='Standard input holds {"user_password": ..., "probe_token": ...}.',
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--address", help="connect there; the name stays in TLS and in the request")
    parser.add_argument("--nameserver", help="ask this DNS server instead of the system's")
    parser.add_argument("--ca-file", type=Path, help="PEM certificates to trust beside the system's")
    parser.add_argument(
        "--certificate-command", help="run without a shell; the first certificate that it prints is trusted"
    )
    parser.add_argument("--plain-http", action="store_true", help="the hub is meant to have no certificate")
    parser.add_argument(
        "--subdomains", action="store_true", help="servers have host names of their own below the hub's"
    )
    parser.add_argument("--start-timeout-seconds", type=float, default=300.0)
    parser.add_argument("--expect-home", metavar="TYPE", help="file system type that a home must have")
    parser.add_argument(
        "--expect-quota-gb", metavar="GB", type=float, default=0.0, help="what a home may hold"
    )
    parser.add_argument("--logs-command", help="run without a shell when a step fails, and shown")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = read_options(arguments)
    try:
        target = read_target(options, sys.stdin.read())
        seconds = asyncio.run(_probe_until_told(target))
    except UserError as error:
        if options.logs_command:
            show_logs(options.logs_command)
        print(error, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("probe: ended by a signal; what it had made is removed as the lines above say", file=sys.stderr)
        return 1
    print(json.dumps(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
