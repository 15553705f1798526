"""What does not go through the site's HTTP proxy."""

from __future__ import annotations

from swarmhub.plan import Plan

METADATA_ADDRESS = "169.254.169.254"


def no_proxy(plan: Plan, subnet_cidr: str, *names: str) -> str:
    """The machines, the containers and these names, as the variable NO_PROXY wants them."""
    return ",".join(("localhost", "127.0.0.1", *names, METADATA_ADDRESS, subnet_cidr, plan.overlay.cidr))
