"""The roster file, and the passwords that come of it."""

from __future__ import annotations

import json
import re

import pytest

from swarmhub.errors import UserError
from swarmhub.plan import roster_of
from swarmhub.roster import MOST_PEOPLE, PASSWORD_CHARACTERS, Person, hashes, password_of, read_roster
from swarmhub.settings import read_settings
from tests.support.stacks import dev_config

SEED = "s" * 52


def refusal(text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_roster(text, "roster.csv")
    return str(caught.value)


def test_one_user_a_line_with_or_without_a_full_name() -> None:
    text = '\ufeff# spring school\nada, Ada Lovelace\n\ngrace@example.org\nmary,"Mary Somerville" # late\n'
    assert read_roster(text, "roster.csv") == (
        Person(user="ada", full_name="Ada Lovelace"),
        Person(user="grace@example.org"),
        Person(user="mary", full_name="Mary Somerville"),
    )


def test_every_wrong_line_is_named() -> None:
    assert refusal("ada\nAda Lovelace\nada\n,Grace\n").splitlines() == [
        (
            "roster.csv, line 2: 'Ada Lovelace' is not accepted. It is a user name of lower-case letters, "
            "digits "
            "and . _ - + @, at most 128 characters. "
            "Write the name to log in with, then a comma and the full name if you like."
        ),
        "roster.csv, line 3: ada is named twice. Leave one.",
        (
            "roster.csv, line 4: '' is not accepted. It is a user name of lower-case letters, digits "
            "and . _ - + @, at most 128 characters. "
            "Write the name to log in with, then a comma and the full name if you like."
        ),
    ]


def test_an_empty_roster_is_refused() -> None:
    assert refusal("# nobody yet\n") == "roster.csv: it names nobody. Write one user name a line."


def test_a_roster_fits_one_docker_secret() -> None:
    text = "\n".join(f"user{number}" for number in range(MOST_PEOPLE + 1))
    assert "A roster has room for 2000" in refusal(text)
    one = len(hashes(SEED, ["u" * 128]))
    assert one * MOST_PEOPLE < 500 * 1024


def test_passwords_are_single_and_typeable() -> None:
    passwords = {password_of(SEED, f"user{number}") for number in range(200)}
    assert len(passwords) == 200
    assert all(re.fullmatch(f"[a-km-np-z2-9]{{{PASSWORD_CHARACTERS}}}", password) for password in passwords)


def test_another_name_changes_nobodys_password_or_hash() -> None:
    before, after = json.loads(hashes(SEED, ["ada"])), json.loads(hashes(SEED, ["grace", "ada"]))
    assert after["ada"] == before["ada"]
    assert hashes(SEED, ["ada", "grace"]) == hashes(SEED, ["grace", "ada", "ada"])


def test_another_seed_changes_all() -> None:
    assert password_of(SEED, "ada") != password_of("t" * 52, "ada")


def test_administrators_are_on_the_roster() -> None:
    settings = read_settings(
        dev_config(hub__login={"kind": "roster", "roster_file": "roster.csv"}, hub__admins=["ada", "grace"])
    )
    listed = (Person(user="mary"), Person(user="ada", full_name="Ada Lovelace"))
    assert roster_of(settings, listed) == (*listed, Person(user="grace"))


def test_no_other_login_has_a_roster() -> None:
    assert roster_of(read_settings(dev_config()), (Person(user="mary"),)) == ()
