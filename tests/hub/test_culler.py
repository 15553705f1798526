"""The idle culler as the hub runs it: a server nobody uses is stopped, with rights for nothing more."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from swarmhub.text import hub_config
from tests.hub.browser import Browser, browse
from tests.hub.running import Rig
from tests.support.stacks import dev_plan

PASSWORDS = {"user-password": "u" * 12, "admin-password": "a" * 40}
CULL_AFTER_SECONDS = 4
# Twice the limit and the culler's own interval of half of it, on a busy machine.
CULLED_WITHIN_SECONDS = 45.0


@pytest.fixture
def hub(rig: Rig) -> Iterator[Rig]:
    settings = dict(yaml.safe_load(hub_config(dev_plan(), "hub.example.org", "10.20.0.11")))
    settings["cull_after_seconds"] = CULL_AFTER_SECONDS
    with rig.hub(settings, PASSWORDS) as running:
        yield running


def test_an_idle_server_is_stopped_and_its_user_stays(hub: Rig) -> None:
    async def steps(browser: Browser) -> tuple[dict[str, Any], float]:
        # Logging in starts the only server there is to choose.
        await browser.log_in_by_form("grace", PASSWORDS["user-password"])
        begin = time.monotonic()
        assert "" in (await browser.whoami())["servers"]
        while time.monotonic() < begin + CULLED_WITHIN_SECONDS:
            await asyncio.sleep(0.5)
            found = await browser.whoami()
            if not found["servers"]:
                return found, time.monotonic() - begin
        pytest.fail(f"not stopped after {CULLED_WITHIN_SECONDS} s\n{hub.log()[-3000:]}")

    found, seconds = browse(hub, steps)
    assert found["name"] == "grace"
    assert seconds > CULL_AFTER_SECONDS / 2
    assert "Culling server grace" in hub.log()
    # As a status: cookies' random digits are in the log too.
    assert not re.search(r"\] 403 |HTTP 403", hub.log())
