"""Looks at the swarm that many servers share: what is wanted at about the same time is asked once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

Task = Mapping[str, Any]
T = TypeVar("T")
# Swarm sends no events of tasks on other machines: looking often is the only way to see one start.
INTERVAL_SECONDS = 0.25


def tasks_of_services(services: Iterable[str]) -> dict[str, list[str]]:
    """The filter for the tasks of services by their names, also of those that are gone."""
    # A task's name is SERVICE.SLOT.ID. The filter `service` refuses the whole call for one that is gone.
    return {"name": [f"{service}." for service in services]}


class SharedLook(Generic[T]):
    """A look that all who ask within one interval share; it begins after the last of them has asked.

    Who comes after a pause of an interval is shown at once: a lone server does not wait for a crowd.
    """

    def __init__(self, look: Callable[[], Awaitable[T]], interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._look = look
        self._interval_seconds = interval_seconds
        self._next: asyncio.Task[T] | None = None
        self._looked = -interval_seconds

    async def next(self) -> T:
        """Return what the next look finds."""
        if self._next is None:
            self._next = asyncio.create_task(self._wait_and_look())
        # One who gives up waiting must not take the look away from the others.
        return await asyncio.shield(self._next)

    async def _wait_and_look(self) -> T:
        await asyncio.sleep(max(0.0, self._looked + self._interval_seconds - time.monotonic()))
        self._next = None
        self._looked = time.monotonic()
        return await self._look()


class TaskBoard:
    """The tasks of services. ``list_tasks`` asks Docker, from filters to tasks."""

    def __init__(
        self,
        list_tasks: Callable[[Mapping[str, Any]], Awaitable[Sequence[Task]]],
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._list_tasks = list_tasks
        self._wanted: set[str] = set()
        self._shared = SharedLook(self._look, interval_seconds)

    async def tasks_of(self, service: str, service_id: str) -> list[Task]:
        """Return the tasks of a service at the next look; none when there is no such service."""
        self._wanted.add(service)
        return (await self._shared.next()).get(service_id, [])

    async def _look(self) -> dict[str, list[Task]]:
        wanted, self._wanted = self._wanted, set()
        found = await self._list_tasks(tasks_of_services(sorted(wanted)))
        tasks: dict[str, list[Task]] = {}
        for task in found:
            tasks.setdefault(str(task.get("ServiceID")), []).append(task)
        return tasks
