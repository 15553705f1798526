"""Users' servers as Swarm services: dockerspawner's SwarmSpawner without its traps.

Nothing here knows of homes, seats or anything else of a workshop: it would serve any hub on a swarm.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from docker.errors import APIError
from docker.types import ContainerSpec, EndpointSpec, Mount, Placement, Resources, RestartPolicy, TaskTemplate
from docker.utils import version_gte
from dockerspawner import SwarmSpawner
from traitlets import Dict, Float, Integer, default

from swarmhub_hub.board import TaskBoard
from swarmhub_hub.tasks import Phase, Verdict, address_of, judge_task, newest_task

DOCKER_THREADS = 16
DOCKER_TIMEOUT_SECONDS = 60
# From here on a service can forbid its processes new privileges; older engines ignore it.
NO_NEW_PRIVILEGES_API = "1.44"
CONNECT_TIMEOUT_SECONDS = 1.0
NANO = 10**9


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


class ServiceSpawner(SwarmSpawner):  # type: ignore[misc]
    """SwarmSpawner whose failures come at once and in words.

    It corrects, in dockerspawner 14.0: volumes that are always binds; tasks in early states taken for dead;
    running tasks seen up to 11 s late; rejected tasks waited for until the timeout; a stop that fails when
    the service is gone; servers that Swarm starts again after they ended; names that lead to the address of a
    server stopped before (dockerspawner#279); one thread for all Docker calls.

    Subclasses say what their servers have beside by ``make_ready``, ``memory_promised``,
    ``too_long_in_start`` and ``note_end``.
    """

    pids_limit = Integer(0, help="Processes and threads one server may have; 0 for any number.", config=True)
    generic_resources = Dict(
        help="Generic resources that each server has for itself, such as {'GPU': 1}.", config=True
    )
    placement_patience_seconds = Float(
        5.0, help="How long a server that fits on no machine waits for one.", config=True
    )

    taken_out: ClassVar[str] = "Its machine was taken out of the swarm."
    _board: ClassVar[TaskBoard | None] = None

    # How the server ended, when its service has been taken away since.
    _ending: int | str = 0
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
        if ServiceSpawner._board is None:
            ServiceSpawner._board = TaskBoard(self._list_tasks)
        return ServiceSpawner._board

    async def _list_tasks(self, filters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        tasks: Sequence[Mapping[str, Any]] = await self.docker("tasks", filters=filters)
        return tasks

    async def make_ready(self) -> None:
        """Do what must be done before there is a service; ServerFailed says that there can be none."""

    @property
    def memory_promised(self) -> int | None:
        """Bytes of memory that a machine must have free for the server, or None for any machine."""
        return self.mem_guarantee or None

    def too_long_in_start(self, seconds: float) -> str:
        """Say what is wrong when a machine has been making the container for so long; empty: nothing yet."""
        return ""

    def note_end(self, reason: str) -> None:
        """Take notice of the end of a server that its user did not stop."""

    @property
    def mounts(self) -> list[Mount]:
        """What dockerspawner's ``volumes`` name: paths of the machine as binds, names as volumes."""
        return [
            self._mount(source, bound["bind"], read_only=bound["mode"] == "ro")
            for source, bound in self.volume_binds.items()
        ]

    def _mount(self, source: str, target: str, *, read_only: bool) -> Mount:
        if source.startswith("/"):
            return Mount(target=target, source=source, type="bind", read_only=read_only)
        driver = self.mount_driver_config
        return Mount(target=target, source=source, type="volume", read_only=read_only, driver_config=driver)

    def _resources(self) -> Resources:
        resources = Resources(
            **{
                "mem_limit": self.mem_limit,
                "mem_reservation": self.memory_promised,
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

    async def start(self) -> tuple[str, int]:
        """Make the service; return where the server listens. Raises ServerFailed."""
        for name in ("internal_ssl", "post_start_cmd"):
            if getattr(self, name, None):
                # Both want the container, which is on a machine that the hub's Docker does not see.
                raise ServerFailed(f"{name} is set, and does not go with a swarm. Tell the organiser.")
        self._ending = 0
        try:
            await self.make_ready()
            address: tuple[str, int] = await super().start()
        except ServerFailed:
            # The hub stops only servers that still run.
            await self.remove_object()
            raise
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
            now = time.monotonic()
            if verdict.fits:
                fitted = now
            elif now - fitted > self.placement_patience_seconds:
                raise ServerFailed(verdict.reason)
            if not verdict.starting:
                unstarted = now
            elif complaint := self.too_long_in_start(now - unstarted):
                raise ServerFailed(f"{verdict.reason} {complaint}")

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
            self.note_end("Somebody has removed it from the swarm.")
            return self._ending
        verdict = judge_task(task)
        if verdict.phase is not Phase.ENDED:
            return None
        self.log.warning("%s: %s", self.service_name, verdict.reason)
        # The hub stops only servers that still run: nobody else takes away the service of an ended one.
        await self.remove_object()
        if reason := await self._why_it_ended(task or {}, verdict):
            self.note_end(reason)
        self._ending = verdict.exit_code if verdict.exit_code is not None else verdict.reason
        return self._ending

    async def _why_it_ended(self, task: Mapping[str, Any], verdict: Verdict) -> str:
        if await self._machine_was_taken_out(task):
            return self.taken_out
        return verdict.reason if verdict.exit_code != 0 else ""

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

    async def remove_object(self) -> None:
        """Remove the service; one already gone is as good."""
        try:
            await self.docker("remove_service", self.service_name)
        except APIError as error:
            if not is_missing(error):
                raise
            self.log.info("%s is gone already", self.service_name)
        self.object_id = ""
