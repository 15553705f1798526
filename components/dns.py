"""The records of the hub's name in a zone of the cloud's DNS service. Not: the zone."""

from __future__ import annotations

import pulumi
from pulumi_openstack import dns

from swarmhub import plan as planned

# A hub that was made anew has another address: no resolver remembers the former one for longer.
TTL_SECONDS = 60


class Records(pulumi.ComponentResource):
    """``made`` are the record sets, one for each of the plan's names."""

    def __init__(
        self,
        name: str,
        *,
        plan: planned.Plan,
        zone_id: str,
        domain: pulumi.Output[str],
        address: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("swarmhub:dns:Records", name, None, opts)
        self.made = [
            dns.RecordSet(
                f"{name}-{what}",
                zone_id=zone_id,
                # Designate's names end with the root's dot.
                name=pulumi.Output.concat(prefix, domain, "."),
                type="A",
                records=[address],
                ttl=TTL_SECONDS,
                description=planned.address_description(plan.network),
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
            for what, prefix in plan.name_prefixes.items()
        ]
        self.register_outputs({})
