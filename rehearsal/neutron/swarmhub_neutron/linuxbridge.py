"""neutron-linuxbridge-agent that a changed port does not bring to a halt.

Of a port that it has wired before, the agent first deletes the rules that let its addresses through, one by
one. ebtables of Debian 12 (1.8.9, nft) cannot delete a rule with ``--among-src`` by its text ("RULE_DELETE
failed (Invalid argument)", status 4), which the agent repeats without end, and meanwhile wires nothing for
anybody. Flushing the port's chain does the same and works; what it ends with is put back.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# First: it has eventlet take over what the others import.
from neutron.cmd.eventlet.plugins import linuxbridge_neutron_agent  # type: ignore[import-not-found] # isort: skip
from neutron.plugins.ml2.drivers.linuxbridge.agent import arp_protect  # type: ignore[import-not-found]


def flush_mac_chain(vif: str, current_rules: Sequence[str]) -> None:
    """Empty the chain of a port but for the rule that drops the rest."""
    if any(f"-i {vif}" in rule and "--among-src" in rule for rule in current_rules):
        chain = f"{arp_protect.MAC_CHAIN_PREFIX}{vif}"
        arp_protect.ebtables(["-F", chain])
        arp_protect.ebtables(["-A", chain, "-j", "DROP"])


arp_protect._delete_vif_mac_rules = flush_mac_chain

if __name__ == "__main__":
    sys.exit(linuxbridge_neutron_agent.main())
