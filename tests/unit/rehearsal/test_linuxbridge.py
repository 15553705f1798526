"""What the rehearsal cloud's network agent does to a port that it has wired before; Neutron is made up."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rehearsal

AGENT = Path(rehearsal.__file__).parent / "neutron" / "swarmhub_neutron" / "linuxbridge.py"
PROTECTION = "neutron.plugins.ml2.drivers.linuxbridge.agent"
COMMANDS = "neutron.cmd.eventlet.plugins"


@pytest.fixture
def protection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Neutron's arp_protect after the agent's module has been imported; ``calls`` are those of ebtables."""
    made: Any = ModuleType("arp_protect")
    made.MAC_CHAIN_PREFIX, made.calls = "neutronMAC-", []
    made.ebtables = made.calls.append
    for package, name, module in (
        (PROTECTION, "arp_protect", made),
        (COMMANDS, "linuxbridge_neutron_agent", ModuleType("linuxbridge_neutron_agent")),
    ):
        parent = ModuleType(package)
        setattr(parent, name, module)
        monkeypatch.setitem(sys.modules, package, parent)
        monkeypatch.setitem(sys.modules, f"{package}.{name}", module)
    spec = importlib.util.spec_from_file_location("linuxbridge", AGENT)
    assert spec and spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return made


def test_the_chain_of_a_port_wired_before_is_flushed_and_goes_on_dropping_the_rest(protection: Any) -> None:
    rules = ["-i tap1 --among-src fa:16:3e:0:0:1 -j RETURN", "-i tap2 --among-src fa:16:3e:0:0:2 -j RETURN"]
    protection._delete_vif_mac_rules("tap1", rules)
    assert protection.calls == [["-F", "neutronMAC-tap1"], ["-A", "neutronMAC-tap1", "-j", "DROP"]]


def test_a_new_port_has_nothing_to_flush(protection: Any) -> None:
    protection._delete_vif_mac_rules("tap3", ["-i tap1 --among-src fa:16:3e:0:0:1 -j RETURN"])
    assert protection.calls == []
