"""What a host name resolves to, and waiting for it to resolve to the hub's address."""

from __future__ import annotations

import argparse
import sys
import time

import dns.exception
import dns.resolver

QUERY_SECONDS = 5.0
INTERVAL_SECONDS = 3.0


def resolve(name: str, nameserver: str | None = None) -> set[str]:
    """The name's IPv4 addresses, none when it does not exist; asks the system's servers unless told which.

    Raises ``dns.exception.DNSException`` when no server answers in time.
    """
    resolver = dns.resolver.Resolver(configure=nameserver is None)
    if nameserver:
        resolver.nameservers = [nameserver]
    # A name that was asked for too early must not stay unknown for as long as its absence may be cached here.
    resolver.cache = None
    try:
        return {record.address for record in resolver.resolve(name, "A", lifetime=QUERY_SECONDS)}
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return set()


def describe(name: str, address: str, nameserver: str | None) -> str | None:
    """What keeps the name from leading to the address, as a clause; None when it does."""
    try:
        found = resolve(name, nameserver)
    except dns.exception.DNSException as error:
        return f"no name server answered ({type(error).__name__})"
    if address in found:
        return None
    return f"it resolves to {', '.join(sorted(found))}" if found else "it does not resolve"


def wait_for_name(
    name: str, address: str, nameserver: str | None, timeout_seconds: float, record: str | None = None
) -> bool:
    """Wait until the name resolves to the address; prints the record to set when it does not at once.

    The record's own name is another where it is for many names.
    """
    deadline = time.monotonic() + timeout_seconds
    said = None
    while (trouble := describe(name, address, nameserver)) is not None:
        if trouble != said:
            print(
                f"name: waiting for {name} to lead to {address}: {trouble}. Set this DNS record:", flush=True
            )
            print(f"    {record or name}.  A  {address}", flush=True)
            said = trouble
        if time.monotonic() > deadline:
            print(
                f"name: {name} does not lead to {address} after {timeout_seconds:.0f} s: {trouble}. "
                f"Set the record above at your DNS provider, then run `pulumi up` again.",
                file=sys.stderr,
            )
            return False
        time.sleep(INTERVAL_SECONDS)
    print(f"name: {name} leads to {address}", flush=True)
    return True


# What is asked for to learn of a record for all names below another: any of them leads there.
ANY_NAME_BELOW = "any-student"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="live.names", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--with-subdomains", action="store_true", help="wait for all names below it too")
    parser.add_argument("--nameserver")
    parser.add_argument("--timeout-seconds", type=float, default=300.0)
    options = parser.parse_args(arguments)
    records = {options.name: options.name}
    if options.with_subdomains:
        records[f"*.{options.name}"] = f"{ANY_NAME_BELOW}.{options.name}"
    led = [
        wait_for_name(name, options.address, options.nameserver, options.timeout_seconds, record)
        for record, name in records.items()
    ]
    return 0 if all(led) else 1


if __name__ == "__main__":
    sys.exit(main())
