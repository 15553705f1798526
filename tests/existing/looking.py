"""What is on a machine of this tier."""

from __future__ import annotations

from rehearsal.native_swarm import Node
from tests.support.machine_inventory import Inventory, look


def take_inventory(machine: Node) -> Inventory:
    return look(lambda script: machine.run("bash", "-c", script))
