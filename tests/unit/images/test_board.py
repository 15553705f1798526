from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from swarmhub_hub.board import SharedLook, TaskBoard


def test_tasks_of_asks_once_for_all_who_wait() -> None:
    calls: list[Mapping[str, Any]] = []

    async def list_tasks(filters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        calls.append(filters)
        return [{"ServiceID": "1", "ID": "a"}, {"ServiceID": "2", "ID": "b"}]

    async def scenario() -> Any:
        board = TaskBoard(list_tasks, interval_seconds=0)
        return await asyncio.gather(
            board.tasks_of("user-ada", "1"), board.tasks_of("user-bea", "2"), board.tasks_of("user-cy", "3")
        )

    found = asyncio.run(scenario())
    assert [[task["ID"] for task in tasks] for tasks in found] == [["a"], ["b"], []]
    assert calls == [{"name": ["user-ada.", "user-bea.", "user-cy."]}]


def test_a_look_goes_on_for_the_others_when_one_gives_up() -> None:
    async def scenario() -> int:
        async def look() -> int:
            await asyncio.sleep(0.01)
            return 1

        shared = SharedLook(look, interval_seconds=0)
        one, other = asyncio.create_task(shared.next()), asyncio.create_task(shared.next())
        await asyncio.sleep(0)
        one.cancel()
        return await other

    assert asyncio.run(scenario()) == 1


def test_a_look_that_fails_fails_for_all_and_the_next_is_another() -> None:
    answers: list[Any] = [OSError("no daemon"), 2]

    async def look() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scenario() -> int:
        shared = SharedLook(look, interval_seconds=0)
        with pytest.raises(OSError, match="no daemon"):
            await shared.next()
        return int(await shared.next())

    assert asyncio.run(scenario()) == 2


def test_one_who_comes_alone_does_not_wait_and_the_next_does() -> None:
    looks: list[None] = []

    async def look() -> None:
        looks.append(None)

    async def scenario() -> None:
        shared = SharedLook(look, interval_seconds=600)
        await asyncio.wait_for(shared.next(), 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(shared.next(), 0.05)

    asyncio.run(scenario())
    assert len(looks) == 1
