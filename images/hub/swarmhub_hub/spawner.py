"""Users' servers with homes that Docker mounts over NFS, and no more of them than there are seats."""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import Any, ClassVar

from docker.types import DriverConfig, Mount
from traitlets import Any as AnyTrait
from traitlets import Float, Integer, Unicode, default

from swarmhub_hub.announcement import FAREWELL, farewell
from swarmhub_hub.board import SharedLook, tasks_of_services
from swarmhub_hub.homes import HomeError, Homes, SharedFolder
from swarmhub_hub.names import escape, user_service
from swarmhub_hub.orphans import SERVICE_LABEL
from swarmhub_hub.owners import find_email
from swarmhub_hub.seats import Swarm, count_seats
from swarmhub_hub.services import ServerFailed, ServiceSpawner

# More than the 10 s that Docker gives a container to end by itself; a machine that is lost is not waited for.
LEAVE_TIMEOUT_SECONDS = 30.0
LEAVE_INTERVAL_SECONDS = 0.5
GIBI = 1024**3


class SwarmHubSpawner(ServiceSpawner):
    """ServiceSpawner whose servers have a home and a seat."""

    homes = AnyTrait(None, allow_none=True, help="A swarmhub_hub.homes.Homes, or None for none.", config=True)
    probe_user = Unicode(
        "",
        help="The user whose home is deleted together with the user, and whose server needs no seat.",
        config=True,
    )
    system_memory_bytes = Integer(
        0, help="Memory of each machine that no server is given, in bytes.", config=True
    )
    mount_patience_seconds = Float(
        120.0,
        help="How long a machine may take over a server's container when there is a home to mount.",
        config=True,
    )

    taken_out = (
        "The organisers have taken its machine out. Start another one: files in homes are as they were."
    )
    _census: ClassVar[SharedLook[Swarm] | None] = None
    # Servers that are being started and count as taken before Swarm has given them a machine, in their order.
    _starting: ClassVar[dict[str, None]] = {}

    # Why the server ended, for its user, when nobody stopped it.
    _farewell = ""

    @default("extra_create_kwargs")
    def _default_extra_create_kwargs(self) -> dict[str, Any]:
        # A template like all of it: braces in a name stand for themselves.
        return {"labels": {SERVICE_LABEL: self.user.name.replace("{", "{{").replace("}", "}}")}}

    @default("escape")
    def _default_escape(self) -> Any:
        return escape

    @default("object_name")
    def _default_object_name(self) -> str:
        return user_service(self.user.name, self.name)

    def _object_name_default(self) -> str:
        # dockerspawner calls its own default by this name whenever the image changes.
        return self._default_object_name()

    @property
    def census(self) -> SharedLook[Swarm]:
        """The view of the whole swarm that all spawners share."""
        if SwarmHubSpawner._census is None:
            SwarmHubSpawner._census = SharedLook(self._list_swarm)
        return SwarmHubSpawner._census

    async def _list_swarm(self) -> Swarm:
        nodes, tasks, servers = await asyncio.gather(
            self.docker("nodes"),
            self.docker("tasks", filters={"desired-state": ["running"]}),
            self.docker("services", filters={"label": SERVICE_LABEL}),
        )
        return Swarm(nodes=nodes, tasks=tasks, servers=servers)

    @property
    def mounts(self) -> list[Mount]:
        """Also the home and the shared folder, as volumes that Docker mounts over NFS."""
        mounts = super().mounts
        homes: Homes | None = self.homes
        if homes is not None:
            driver = DriverConfig("local", homes.nfs.driver_options(escape(self.user.name)))
            volume = homes.volume_name(self.user.name)
            mounts.append(
                Mount(
                    target=homes.mount_path, source=volume, type="volume", no_copy=True, driver_config=driver
                )
            )
            mounts += self.shared_mounts(homes.shared)
        return mounts

    def shared_mounts(self, shared: SharedFolder | None) -> list[Mount]:
        """The shared folder, read-only but for those who may write to it."""
        if shared is None:
            return []
        writable = self.user.admin or shared.writers in {group.name for group in self.user.groups}
        return [
            Mount(
                target=shared.mount_path,
                source=shared.volume_name(),
                type="volume",
                read_only=not writable,
                no_copy=True,
                driver_config=DriverConfig("local", shared.nfs.driver_options()),
            )
        ]

    @property
    def _needs_seat(self) -> bool:
        return bool(self.mem_guarantee) and self.user.name != self.probe_user

    @property
    def memory_promised(self) -> int | None:
        """None for the probe's server too, which takes nobody's seat."""
        return self.mem_guarantee if self._needs_seat else None

    async def _take_seat(self) -> None:
        """Raise ServerFailed at once when no machine has the memory that is promised to this server."""
        names = list(self._starting)
        seats = count_seats(
            await self.census.next(),
            memory_bytes=int(self.mem_guarantee),
            system_bytes=self.system_memory_bytes,
            resources=self.generic_resources,
            constraints=self.extra_placement_spec.get("constraints") or (),
            ahead=names[: names.index(self.service_name)],
        )
        if seats.total < 1:
            raise ServerFailed(
                f"No machine can run this server: none that is ready and meant for it has "
                f"{self._what_it_needs()} to give. Tell the organiser."
            )
        if seats.free < 1:
            raise ServerFailed(
                f"The hub is full: {seats.total} seats, and all of them are taken. "
                "Try again when somebody has stopped their server."
            )

    def _what_it_needs(self) -> str:
        parts = [f"{self.mem_guarantee / GIBI:.3g} GB of memory"]
        parts += [f"{count} {kind}" for kind, count in self.generic_resources.items()]
        return " and ".join(parts)

    async def start(self) -> tuple[str, int]:
        """Make home and service; return where the server listens. Raises ServerFailed."""
        self._starting[self.service_name] = None
        try:
            address = await super().start()
        except HomeError as error:
            raise ServerFailed(str(error)) from error
        finally:
            self._starting.pop(self.service_name, None)
        self._farewell = ""
        return address

    async def make_ready(self) -> None:
        """Take a seat and make the home. Raises ServerFailed, HomeError."""
        if self._needs_seat:
            # One that was left over would take this very seat.
            if await self.get_object() is not None:
                await self.remove_object()
            await self._take_seat()
        if self.homes is None:
            return
        if not await asyncio.to_thread(self.homes.has, self.user.name):
            await self._let_the_last_one_end()
        email = find_email(await self.user.get_auth_state())
        await asyncio.to_thread(self.homes.prepare, self.user.name, email)

    def too_long_in_start(self, seconds: float) -> str:
        """A mount waits for a file server that is down if its machine has mounted from it before."""
        if self.homes is None or seconds <= self.mount_patience_seconds:
            return ""
        return (
            f"That has taken {self.mount_patience_seconds:.0f} s: most likely its "
            f"machine fails to mount the home from {self.homes.nfs.server}. Tell the organiser."
        )

    def note_end(self, reason: str) -> None:
        """Keep it for the hub's pages, until another server has started."""
        self._farewell = farewell(reason, datetime.datetime.now(datetime.UTC))

    def get_state(self) -> dict[str, Any]:
        """Return what the hub's database keeps; the hub's pages show the farewell from there."""
        state: dict[str, Any] = super().get_state()
        return {**state, FAREWELL: self._farewell} if self._farewell else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what the hub's database has kept."""
        super().load_state(state)
        self._farewell = state.get(FAREWELL, "")

    async def _let_the_last_one_end(self) -> None:
        """Wait until no machine runs a service of this name any more, but not for ever.

        A home made anew is a stale file handle on a machine that still has the deleted one mounted.
        """
        begin = time.monotonic()
        # Swarm forgets the tasks of a removed service one by one, as their machines have stopped them.
        while await self.docker("tasks", filters=tasks_of_services([self.service_name])):
            if time.monotonic() - begin > LEAVE_TIMEOUT_SECONDS:
                self.log.warning("%s has not ended on its machine", self.service_name)
                return
            await asyncio.sleep(LEAVE_INTERVAL_SECONDS)

    async def delete_forever(self) -> None:
        """Drop the home with its user: the probe's wholly, anyone else's only if nothing is in it."""
        if self.homes is None or self.name:
            return
        if self.user.name == self.probe_user:
            await asyncio.to_thread(self.homes.remove, self.user.name)
        elif not await asyncio.to_thread(self.homes.remove_if_empty, self.user.name):
            self.log.info("%s holds files and is kept", self.homes.path_of(self.user.name))
