"""Users' servers as Swarm services that mount their homes over NFS."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker.errors import APIError
from docker.types import DriverConfig, Mount, RestartPolicy
from dockerspawner import SwarmSpawner
from traitlets import Any as AnyTrait
from traitlets import Float, Unicode, default

from swarmhub_hub.homes import HomeError, Homes, SharedFolder
from swarmhub_hub.names import escape, user_service
from swarmhub_hub.owners import find_email
from swarmhub_hub.tasks import Phase, Verdict, judge_task, newest_task

DOCKER_THREADS = 16
DOCKER_TIMEOUT_SECONDS = 60
TASK_INTERVAL_SECONDS = 1.0
SERVICE_LABEL = "org.swarmhub.user"


class ServerFailed(Exception):
    """A server that did not start; JupyterHub shows ``jupyterhub_message`` to its user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.jupyterhub_message = reason


class SwarmHubSpawner(SwarmSpawner):  # type: ignore[misc]
    """SwarmSpawner whose homes are NFS volumes and whose failures come at once and in words.

    It corrects, in dockerspawner 14.0: mounts that are always binds; tasks in early states taken for dead;
    rejected tasks waited for until the timeout; a stop that fails when the service is gone; servers that
    Swarm starts again after they ended; one thread for all Docker calls.
    """

    homes = AnyTrait(None, allow_none=True, help="A swarmhub_hub.homes.Homes, or None for none.", config=True)
    probe_user = Unicode("", help="The user whose home is deleted together with the user.", config=True)
    task_interval_seconds = Float(TASK_INTERVAL_SECONDS, help="How often a starting task is looked at.")

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

    @default("extra_create_kwargs")
    def _default_extra_create_kwargs(self) -> dict[str, Any]:
        return {"labels": {SERVICE_LABEL: self.user.name}}

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
    def mounts(self) -> list[Mount]:
        """The home as a volume that Docker mounts over NFS on the machine where the task runs."""
        homes: Homes | None = self.homes
        if homes is None:
            return []
        driver = DriverConfig("local", homes.nfs.driver_options(escape(self.user.name)))
        volume = homes.volume_name(self.user.name)
        home = Mount(
            target=homes.mount_path, source=volume, type="volume", no_copy=True, driver_config=driver
        )
        return [home, *self.shared_mounts(homes.shared)]

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

    async def judge(self) -> Verdict:
        """Ask Swarm for the newest task of this server and say what its state means."""
        tasks = await self.docker("tasks", filters={"service": self.service_name})
        return judge_task(newest_task(tasks))

    async def start(self) -> tuple[str, int]:
        """Make the home, then the service; return where the server listens. Raises ServerFailed."""
        if self.homes is not None:
            try:
                email = find_email(await self.user.get_auth_state())
                await asyncio.to_thread(self.homes.prepare, self.user.name, email)
            except HomeError as error:
                raise ServerFailed(str(error)) from error
        address: tuple[str, int] = await super().start()
        return address

    async def start_object(self) -> None:
        """Wait until the server's task runs; raise ServerFailed as soon as it cannot any more.

        The hub ends the wait after start_timeout; the last reason logged is then the one.
        """
        logged = ""
        while True:
            verdict = await self.judge()
            if verdict.reason != logged:
                logged = verdict.reason
                self.log.info("%s: %s", self.service_name, logged)
            if verdict.phase is Phase.RUNNING:
                return
            if verdict.phase is Phase.ENDED:
                raise ServerFailed(verdict.reason)
            await asyncio.sleep(self.task_interval_seconds)

    async def poll(self) -> int | str | None:
        """Return None while the server runs or is about to, else its exit code or why it ended."""
        if not self.object_id or await self.get_object() is None:
            return 0
        verdict = await self.judge()
        if verdict.phase is not Phase.ENDED:
            return None
        self.log.warning("%s: %s", self.service_name, verdict.reason)
        return verdict.exit_code if verdict.exit_code is not None else verdict.reason

    async def remove_object(self) -> None:
        """Remove the service; one already gone is as good."""
        try:
            await self.docker("remove_service", self.service_name)
        except APIError as error:
            if error.response is None or error.response.status_code != 404:
                raise
            self.log.info("%s is gone already", self.service_name)

    async def delete_forever(self) -> None:
        """Drop the home with its user: the probe's wholly, anyone else's only if nothing is in it."""
        if self.homes is None or self.name:
            return
        if self.user.name == self.probe_user:
            await asyncio.to_thread(self.homes.remove, self.user.name)
        elif not await asyncio.to_thread(self.homes.remove_if_empty, self.user.name):
            self.log.info("%s holds files and is kept", self.homes.path_of(self.user.name))
