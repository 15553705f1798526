from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmhub_hub.names import ESCAPED_MAX, escape, user_service

USER_NAMES = st.text(min_size=1, max_size=120)


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("ada", "ada"),
        ("Ada", "-41da"),
        ("ada-2d", "ada-2d2d"),
        ("../etc", "-2e-2e-2fetc"),
        ("ada@example.org", "ada-40example-2eorg"),
        ("zoë", "zo-c3-ab"),
    ],
)
def test_escape_keeps_letters_and_digits(name: str, escaped: str) -> None:
    assert escape(name) == escaped


@given(USER_NAMES)
def test_escape_gives_a_part_of_a_host_name(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", escape(name))
    assert len(escape(name)) <= ESCAPED_MAX
    assert len(user_service(name)) <= 63


@given(USER_NAMES, USER_NAMES)
def test_escape_differs_for_different_names_even_without_case(one: str, other: str) -> None:
    assert (escape(one).lower() == escape(other).lower()) == (one == other)


def test_escape_differs_for_long_names_that_begin_alike() -> None:
    assert escape("a" * 80) != escape("a" * 81)


def test_user_service_of_a_named_server_is_another_one() -> None:
    assert user_service("ada") == "user-ada"
    assert user_service("ada", "gpu") == "user-ada-2fgpu"
