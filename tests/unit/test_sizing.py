"""Seats, workers and disk from people: the arithmetic that is shown."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.cli import main
from swarmhub.facts import Flavor
from swarmhub.sizing import choices, hours_until_end_of, seats_per_worker, storage_gb, workers_for


@pytest.mark.parametrize(
    ("memory_mb", "memory_gb", "seats"),
    [(2048, 1, 1), (61440, 1, 57), (61440, 2, 28), (3072, 4, 0), (512, 0.25, 0)],
)
def test_seats_of_a_worker(memory_mb: int, memory_gb: float, seats: int) -> None:
    assert seats_per_worker(memory_mb, memory_gb) == seats


@given(users=st.integers(1, 5000), memory_mb=st.integers(512, 2_000_000), memory_gb=st.floats(0.25, 64))
def test_the_workers_seat_everybody_and_one_fewer_would_not(
    users: int, memory_mb: int, memory_gb: float
) -> None:
    seats, count = seats_per_worker(memory_mb, memory_gb), workers_for(users, memory_mb, memory_gb)
    if count is None:
        assert seats == 0
    else:
        assert seats * count >= users > seats * (count - 1)


def flavor(name: str, vcpus: int, memory_gb: int) -> Flavor:
    return Flavor(id=name, name=name, vcpus=vcpus, memory_mb=memory_gb * 1024, disk_gb=20)


def test_the_cheapest_workers_come_first_and_a_single_one_after_two() -> None:
    flavors = [flavor("tiny", 1, 1), flavor("quad", 4, 15), flavor("large", 16, 60), flavor("xl", 32, 125)]
    found = choices(60, 2, flavors)
    assert [(each.flavor.name, each.count) for each in found] == [("xl", 1), ("quad", 9), ("large", 3)]


def test_the_last_day_counts_whole() -> None:
    now = datetime.datetime(2027, 3, 5, 18, tzinfo=datetime.UTC)
    assert hours_until_end_of(datetime.date(2027, 3, 5), now) == 6
    assert hours_until_end_of(datetime.date(2027, 3, 4), now) == 0


def test_full_homes_leave_room_for_the_rest() -> None:
    assert storage_gb(60, 5) == 331


def test_the_arithmetic_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--users", "60", "--memory-gb", "2"]) == 0
    shown = capsys.readouterr().out
    assert "60 people x 2 GB = 120 GB of memory in the workers" in shown
    assert "16 GB - 3% - 512 MB = 15.0 GB, / 2 = 7 seats each, 63 in all" in shown
    assert "data volume: 60 x 5 GB + 10 % + 1 GB = 331 GB" in shown


def test_impossible_numbers_are_refused_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--users", "0", "--memory-gb", "nan"]) == 1
    assert capsys.readouterr().err == (
        "--users: 0 is not accepted. Give a number above 0.\n"
        "--memory-gb: nan is not accepted. Give a number above 0.\n"
    )
