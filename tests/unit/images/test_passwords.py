"""The roster's passwords: what the operator's side writes is what the hub reads."""

from __future__ import annotations

import pytest
from swarmhub_hub.passwords import (
    FAILURES_ALLOWED,
    FAILURES_FORGOTTEN_AFTER_SECONDS,
    NOBODY,
    FailureLimit,
    RosterError,
    read_roster,
)

from swarmhub.roster import SCRYPT, hashes, password_of

SEED = "s" * 52


def test_the_hub_knows_the_passwords_that_were_handed_out() -> None:
    roster = read_roster(hashes(SEED, ["ada", "grace@example.org"]))
    assert set(roster) == {"ada", "grace@example.org"}
    for user, known in roster.items():
        assert known.matches(password_of(SEED, user))
        assert not known.matches(password_of(SEED, user) + "x")
    assert not roster["ada"].matches(password_of(SEED, "grace@example.org"))


def test_an_unknown_name_costs_the_same_and_never_matches() -> None:
    known = read_roster(hashes(SEED, ["ada"]))["ada"]
    assert (NOBODY.n, NOBODY.r, NOBODY.p) == (known.n, known.r, known.p) == tuple(SCRYPT.values())
    assert not NOBODY.matches("")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"ada": "word"}',
        '{"ada": "scrypt$1$8$1$AAAA$AAAA"}',
        '{"ada": "scrypt$1073741824$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAA=="}',
        '{"ada": 3}',
    ],
)
def test_what_is_no_roster_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(RosterError, match=r"^it is not a JSON mapping of user names to scrypt hashes$"):
        read_roster(text)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_ten_wrong_passwords_make_a_name_wait() -> None:
    clock = Clock()
    limit = FailureLimit(clock)
    for _ in range(FAILURES_ALLOWED):
        assert limit.wait_seconds("ada") == 0
        limit.failed("ada")
    assert limit.wait_seconds("ada") == FAILURES_FORGOTTEN_AFTER_SECONDS
    assert limit.wait_seconds("grace") == 0
    clock.now += FAILURES_FORGOTTEN_AFTER_SECONDS
    assert limit.wait_seconds("ada") == 0


def test_the_right_password_forgets_the_wrong_ones() -> None:
    limit = FailureLimit(Clock())
    for _ in range(FAILURES_ALLOWED - 1):
        limit.failed("ada")
    limit.succeeded("ada")
    limit.failed("ada")
    assert limit.wait_seconds("ada") == 0


def test_made_up_names_do_not_fill_the_memory() -> None:
    limit = FailureLimit(Clock(), most_names=3)
    for number in range(10):
        limit.failed(f"user{number}")
    assert len(limit._failures) == 3
