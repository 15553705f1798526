"""Prints what the spawner would have Docker make, by an engine of the API version argv[1]; no hub runs."""

import asyncio
import json
import sys
import time
from types import SimpleNamespace

from docker.errors import APIError
from swarmhub_hub.services import ServerFailed, ServiceSpawner
from swarmhub_hub.spawner import SwarmHubSpawner

API_VERSION = sys.argv[1]
SLOW_SECONDS = 0.3


class Engine:
    """Docker's client, as far as a server's making and removal ask it."""

    api_version = API_VERSION

    def create_service(self, **given: object) -> dict[str, object]:
        return given

    def remove_service(self, name: str) -> None:
        raise APIError("gone", response=SimpleNamespace(status_code=404, reason="", url=""))

    def version(self) -> float:
        begin = time.monotonic()
        time.sleep(SLOW_SECONDS)
        return begin


def person(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, admin=False, groups=[], id=1, settings={}, url=f"/user/{name}/")


class Lone:
    """What a spawner of one user lacks without a hub that would make it."""

    client = Engine()

    def get_env(self) -> dict[str, str]:
        return {}

    async def get_command(self) -> list[str]:
        return []

    def template_namespace(self) -> dict[str, str]:
        return {"username": self.user.name}


class Spawner(Lone, SwarmHubSpawner):
    """The hub's."""

    homes = None


class PlainSpawner(Lone, ServiceSpawner):
    """Any hub's."""


async def labels(spawner: Spawner) -> dict[str, object]:
    return {"labels": {"course": "physics", "of": spawner.user.name}, "name": "user-{username}-made"}


async def refused(**traits: object) -> str:
    try:
        await Spawner(user=user, _mock=True, **traits).start()
    except ServerFailed as error:
        return str(error)
    return ""


async def main() -> None:
    spawner = Spawner(user=user, _mock=True, extra_create_kwargs=labels)
    spawner.extra_container_spec = {**spawner.extra_container_spec, "workdir": "/work/{username}"}
    made = await spawner.create_object()
    spawner.object_id = "gone"
    await spawner.remove_object()
    begun = await asyncio.gather(*(spawner.docker("version") for _ in range(8)))
    plain = PlainSpawner(user=user, _mock=True, volumes={"data-{username}": "/data", "/srv/set": "/set"})
    plain.mem_guarantee = "1G"
    told = {
        "plain": await plain.create_object(),
        "service": made,
        "object_id_after_removal": spawner.object_id,
        "calls_began_within": max(begun) - min(begun),
        "with_braces": await Spawner(user=person("{username}"), _mock=True).create_object(),
        "refusals": [await refused(post_start_cmd="true"), await refused(internal_ssl=True)],
    }
    print(json.dumps(told))


user = person("ada")
asyncio.run(main())
