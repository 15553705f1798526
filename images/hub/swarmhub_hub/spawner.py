"""Users' servers as Swarm services that mount their homes over NFS."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from docker.errors import APIError
from docker.types import (
    ContainerSpec,
    DriverConfig,
    EndpointSpec,
    Mount,
    Placement,
    Resources,
    RestartPolicy,
    TaskTemplate,
)
from docker.utils import version_gte
from dockerspawner import SwarmSpawner
from traitlets import Any as AnyTrait
from traitlets import Dict, Float, Integer, Unicode, default

from swarmhub_hub.announcement import FAREWELL, farewell
from swarmhub_hub.board import SharedLook, TaskBoard, tasks_of_services
from swarmhub_hub.homes import HomeError, Homes, SharedFolder
from swarmhub_hub.names import escape, user_service
from swarmhub_hub.orphans import SERVICE_LABEL
from swarmhub_hub.owners import find_email
from swarmhub_hub.seats import Swarm, count_seats
from swarmhub_hub.tasks import Phase, address_of, judge_task, newest_task

DOCKER_THREADS = 16
DOCKER_TIMEOUT_SECONDS = 60
# From here on a service can forbid its processes new privileges; older engines ignore it.
NO_NEW_PRIVILEGES_API = "1.44"
CONNECT_TIMEOUT_SECONDS = 1.0
# More than the 10 s that Docker gives a container to end by itself; a machine that is lost is not waited for.
LEAVE_TIMEOUT_SECONDS = 30.0
LEAVE_INTERVAL_SECONDS = 0.5
TAKEN_OUT = "The organisers have taken its machine out. Start another one: files in homes are as they were."
NANO = 10**9
GIBI = 1024**3


class ServerFailed(Exception):
    """A server that did not start; JupyterHub shows ``jupyterhub_message`` to its user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.jupyterhub_message = reason


def is_missing(error: APIError) -> bool:
    """Whether Docker does not know what it was asked for."""
    return error.response is not None and error.response.status_code == 404


async def accepts_connections(address: str, port: int) -> bool:
    """Whether something listens there now."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    return True


class SwarmHubSpawner(SwarmSpawner):  # type: ignore[misc]
    """SwarmSpawner whose homes are NFS volumes and whose failures come at once and in words.

    It corrects, in dockerspawner 14.0: volumes that are always binds; tasks in early states taken for dead;
    running tasks seen up to 11 s late; rejected tasks waited for until the timeout; a stop that fails when
    the service is gone; servers that Swarm starts again after they ended; names that lead to the address of a
    server stopped before (dockerspawner#279); one thread for all Docker calls.
    """

    homes = AnyTrait(None, allow_none=True, help="A swarmhub_hub.homes.Homes, or None for none.", config=True)
    probe_user = Unicode(
        "",
        help="The user whose home is deleted together with the user, and whose server needs no seat.",
        config=True,
    )
    pids_limit = Integer(0, help="Processes and threads one server may have; 0 for any number.", config=True)
    generic_resources = Dict(
        help="Generic resources that each server has for itself, such as {'GPU': 1}.", config=True
    )
    system_memory_bytes = Integer(
        0, help="Memory of each machine that no server is given, in bytes.", config=True
    )
    placement_patience_seconds = Float(
        5.0, help="How long a server that fits on no machine waits for one.", config=True
    )
    mount_patience_seconds = Float(
        120.0,
        help="How long a machine may take over a server's container when there is a home to mount.",
        config=True,
    )

    _board: ClassVar[TaskBoard | None] = None
    _census: ClassVar[SharedLook[Swarm] | None] = None
    # Servers that are being started and count as taken before Swarm has given them a machine, in their order.
    _starting: ClassVar[dict[str, None]] = {}

    # How the server ended, when its service has been taken away since.
    _ending: int | str = 0
    # Why it ended, for its user, when nobody stopped it.
    _farewell = ""
    _address: str | None = None

    @default("client_kwargs")
    def _default_client_kwargs(self) -> dict[str, Any]:
        return {"timeout": DOCKER_TIMEOUT_SECONDS, "max_pool_size": DOCKER_THREADS}

    @default("extra_task_spec")
    def _default_extra_task_spec(self) -> dict[str, Any]:
        # Swarm would start those again that stopped themselves or outgrew their memory.
        return {"restart_policy": RestartPolicy(condition="none")}

    @default("extra_endpoint_spec")
    def _default_extra_endpoint_spec(self) -> dict[str, Any]:
        # A virtual address forgets connections idle for 900 s (moby#31208).
        return {"mode": "dnsrr"}

    @default("extra_container_spec")
    def _default_extra_container_spec(self) -> dict[str, Any]:
        # With an empty bounding set no program can gain any capability, not even one that is root's.
        return {"cap_drop": ["ALL"]}

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
    def executor(self) -> ThreadPoolExecutor:
        """The threads that all spawners' Docker calls share."""
        cls = type(self)
        if cls._executor is None:
            cls._executor = ThreadPoolExecutor(DOCKER_THREADS, thread_name_prefix="docker")
        threads: ThreadPoolExecutor = cls._executor
        return threads

    @property
    def board(self) -> TaskBoard:
        """The view of servers' tasks that all spawners share."""
        if SwarmHubSpawner._board is None:
            SwarmHubSpawner._board = TaskBoard(self._list_tasks)
        return SwarmHubSpawner._board

    @property
    def census(self) -> SharedLook[Swarm]:
        """The view of the whole swarm that all spawners share."""
        if SwarmHubSpawner._census is None:
            SwarmHubSpawner._census = SharedLook(self._list_swarm)
        return SwarmHubSpawner._census

    async def _list_tasks(self, filters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        tasks: Sequence[Mapping[str, Any]] = await self.docker("tasks", filters=filters)
        return tasks

    async def _list_swarm(self) -> Swarm:
        nodes, tasks, servers = await asyncio.gather(
            self.docker("nodes"),
            self.docker("tasks", filters={"desired-state": ["running"]}),
            self.docker("services", filters={"label": SERVICE_LABEL}),
        )
        return Swarm(nodes=nodes, tasks=tasks, servers=servers)

    @property
    def mounts(self) -> list[Mount]:
        """What dockerspawner's ``volumes`` name, and the home as a volume that Docker mounts over NFS."""
        mounts = [
            self._mount(source, bound["bind"], read_only=bound["mode"] == "ro")
            for source, bound in self.volume_binds.items()
        ]
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

    def _mount(self, source: str, target: str, *, read_only: bool) -> Mount:
        if source.startswith("/"):
            return Mount(target=target, source=source, type="bind", read_only=read_only)
        driver = self.mount_driver_config
        return Mount(target=target, source=source, type="volume", read_only=read_only, driver_config=driver)

    @property
    def _needs_seat(self) -> bool:
        return bool(self.mem_guarantee) and self.user.name != self.probe_user

    def _resources(self) -> Resources:
        resources = Resources(
            **{
                "mem_limit": self.mem_limit,
                "mem_reservation": self.mem_guarantee if self._needs_seat else None,
                "cpu_limit": int(self.cpu_limit * NANO) if self.cpu_limit else None,
                "cpu_reservation": int(self.cpu_guarantee * NANO) if self.cpu_guarantee else None,
                "generic_resources": dict(self.generic_resources) or None,
                **self.extra_resources_spec,
            }
        )
        if self.pids_limit:
            # docker-py has no argument for it; the engine takes it from API 1.41 on.
            resources.setdefault("Limits", {})["Pids"] = self.pids_limit
        return resources

    async def _container(self) -> ContainerSpec:
        container = ContainerSpec(
            **{
                "image": self.image,
                "env": self.get_env(),
                "args": await self.get_command(),
                "mounts": self.mounts,
                **self._render_templates(self.extra_container_spec),
            }
        )
        if version_gte(self.client.api_version, NO_NEW_PRIVILEGES_API):
            container["Privileges"] = {**container.get("Privileges", {}), "NoNewPrivileges": True}
        return container

    async def create_object(self) -> Mapping[str, Any]:
        """Create the service."""
        endpoint = {} if self.use_internal_ip else {"ports": {None: (self.port, "tcp")}}
        task = {
            "container_spec": await self._container(),
            "resources": self._resources(),
            "networks": [self.network_name] if self.network_name else [],
            "placement": Placement(**self.extra_placement_spec),
            **self.extra_task_spec,
        }
        extra = self._eval_if_callable(self.extra_create_kwargs)
        if inspect.isawaitable(extra):
            extra = await extra
        service: Mapping[str, Any] = await self.docker(
            "create_service",
            **{
                "task_template": TaskTemplate(**task),
                "endpoint_spec": EndpointSpec(**{**endpoint, **self.extra_endpoint_spec}),
                "name": self.service_name,
                **self._render_templates(extra),
            },
        )
        return service

    async def _newest_task(self) -> Mapping[str, Any] | None:
        return newest_task(await self.board.tasks_of(self.service_name, self.service_id))

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
        """Make the home, then the service; return where the server listens. Raises ServerFailed."""
        for name in ("internal_ssl", "post_start_cmd"):
            if getattr(self, name, None):
                # Both want the container, which is on a machine that the hub's Docker does not see.
                raise ServerFailed(f"{name} is set, and does not go with a swarm. Tell the organiser.")
        self._ending = 0
        self._starting[self.service_name] = None
        try:
            if self._needs_seat:
                # One that was left over would take this very seat.
                if await self.get_object() is not None:
                    await self.remove_object()
                await self._take_seat()
            if self.homes is not None:
                if not await asyncio.to_thread(self.homes.has, self.user.name):
                    await self._let_the_last_one_end()
                email = find_email(await self.user.get_auth_state())
                await asyncio.to_thread(self.homes.prepare, self.user.name, email)
            address: tuple[str, int] = await super().start()
            self._farewell = ""
        except HomeError as error:
            raise ServerFailed(str(error)) from error
        except ServerFailed:
            # The hub stops only servers that still run.
            await self.remove_object()
            raise
        finally:
            self._starting.pop(self.service_name, None)
        return address

    async def start_object(self) -> None:
        """Wait until the server listens; raise ServerFailed as soon as it cannot any more.

        The hub ends the wait after start_timeout; the last reason logged is then the one. It would wait for a
        server to listen by itself, but not notice that it has ended.
        """
        logged = ""
        fitted = unstarted = time.monotonic()
        while True:
            task = await self._newest_task()
            verdict = judge_task(task)
            if verdict.reason != logged:
                logged = verdict.reason
                self.log.info("%s: %s", self.service_name, logged)
            if verdict.phase is Phase.ENDED:
                raise ServerFailed(verdict.reason)
            if verdict.phase is Phase.RUNNING:
                # A name would also lead to a server of this user's that is just ending.
                self._address = address_of(task or {}, self.network_name) if self.use_internal_ip else None
                if self._address is None or await accepts_connections(self._address, self.port):
                    return
            if verdict.fits:
                fitted = time.monotonic()
            elif time.monotonic() - fitted > self.placement_patience_seconds:
                raise ServerFailed(verdict.reason)
            if not verdict.starting:
                unstarted = time.monotonic()
            elif self.homes is not None and time.monotonic() - unstarted > self.mount_patience_seconds:
                # A mount waits for a file server that is down if its machine has mounted from it before.
                raise ServerFailed(
                    f"{verdict.reason} That has taken {self.mount_patience_seconds:.0f} s: most likely its "
                    f"machine fails to mount the home from {self.homes.nfs.server}. Tell the organiser."
                )

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Return where the server that was just started listens."""
        if self._address:
            return self._address, self.port
        found: tuple[str, int] = await super().get_ip_and_port()
        return found

    async def poll(self) -> int | str | None:
        """Return None while the server runs or is about to, else its exit code or why it ended."""
        if not self.object_id:
            return self._ending
        task = await self._newest_task()
        if task is None and await self.get_object() is None:
            self._say_farewell("Somebody has removed it from the swarm.")
            return self._ending
        verdict = judge_task(task)
        if verdict.phase is not Phase.ENDED:
            return None
        self.log.warning("%s: %s", self.service_name, verdict.reason)
        # The hub stops only servers that still run: nobody else takes away the service of an ended one.
        await self.remove_object()
        if await self._machine_was_taken_out(task or {}):
            self._say_farewell(TAKEN_OUT)
        elif verdict.exit_code != 0:
            self._say_farewell(verdict.reason)
        self._ending = verdict.exit_code if verdict.exit_code is not None else verdict.reason
        return self._ending

    async def _machine_was_taken_out(self, task: Mapping[str, Any]) -> bool:
        """Whether the machine of an ended task has been drained, or has left the swarm since."""
        if not task.get("NodeID"):
            return False
        try:
            node = await self.docker("inspect_node", task["NodeID"])
        except APIError as error:
            if not is_missing(error):
                raise
            return True
        return bool(node["Spec"].get("Availability") == "drain")

    def _say_farewell(self, reason: str) -> None:
        self._farewell = farewell(reason, datetime.datetime.now(datetime.UTC))

    def get_state(self) -> dict[str, Any]:
        """Return what the hub's database keeps; the hub's pages show the farewell from there."""
        state: dict[str, Any] = super().get_state()
        return {**state, FAREWELL: self._farewell} if self._farewell else state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what the hub's database has kept."""
        super().load_state(state)
        self._farewell = state.get(FAREWELL, "")

    async def remove_object(self) -> None:
        """Remove the service; one already gone is as good."""
        try:
            await self.docker("remove_service", self.service_name)
        except APIError as error:
            if not is_missing(error):
                raise
            self.log.info("%s is gone already", self.service_name)
        self.object_id = ""

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
