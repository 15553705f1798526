from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from swarmhub_hub import homes as homes_module
from swarmhub_hub.homes import HomeError, Homes, NfsExport, SharedFolder
from swarmhub_hub.owners import Owner, find_email, find_owner, read_owner

EXPORT = NfsExport(server="10.20.0.11", export="/homes", options="nfsvers=4.2,hard")


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Homes:
    monkeypatch.setattr(homes_module, "REMOVE_INTERVAL_SECONDS", 0)
    return Homes(directory=tmp_path, nfs=EXPORT, uid=os.getuid(), gid=os.getgid(), mount_path="/home/jovyan")


def test_prepare_makes_a_folder_for_its_owner_alone_and_runs_twice(homes: Homes) -> None:
    home = homes.prepare("ada")
    (home / "notebook").touch()
    assert homes.prepare("ada") == home
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "notebook").exists()


@pytest.mark.parametrize("user", ["..", "a/../../b", "/etc", "."])
def test_prepare_never_leaves_the_folder_of_homes(homes: Homes, user: str) -> None:
    assert homes.prepare(user).parent == homes.directory


def test_names_that_could_do_harm_have_homes_of_their_own(homes: Homes) -> None:
    users = [
        "../x",
        "a/b",
        "a",
        "b",
        "x",
        ".",
        "..",
        "日本",
        "zoë",
        "zoe",
        "Ada",
        "ada",
        "ADA",
        "n" * 200,
        "n" * 201,
    ]
    found = {user: homes.prepare(user, f"{user}@example.org") for user in users}
    assert {home.parent for home in found.values()} == {homes.directory}
    # Different also where the file system takes capitals for small letters.
    assert len({home.name.lower() for home in found.values()}) == len(users)
    for user, home in found.items():
        assert read_owner(homes.directory, home.name) == Owner(name=user, email=f"{user}@example.org")


def test_prepare_says_beside_the_home_whose_it_is(homes: Homes) -> None:
    homes.prepare("Ada Lovelace", "ada@example.org")
    written = homes.directory / "-41da-20-4covelace_email.txt"
    assert written.read_text() == "Ada Lovelace\nada@example.org\n"
    assert written.stat().st_mode & 0o777 == 0o600
    homes.prepare("Ada Lovelace")
    assert written.read_text() == "Ada Lovelace\nada@example.org\n"
    for person in ("Ada Lovelace", "ada@example.org"):
        assert find_owner(homes.directory, person) == Owner(name="Ada Lovelace", email="ada@example.org")
    assert find_owner(homes.directory, "ada") is None
    homes.remove("Ada Lovelace")
    assert list(homes.directory.iterdir()) == []


@given(st.lists(st.text(min_size=1, max_size=250), min_size=1, max_size=8, unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_users_have_homes_of_their_own_and_are_found_by_them(
    tmp_path_factory: pytest.TempPathFactory, homes: Homes, users: list[str]
) -> None:
    homes = dataclasses.replace(homes, directory=tmp_path_factory.mktemp("homes"))
    folders = {user: homes.prepare(user) for user in users}
    assert len(set(folders.values())) == len(users)
    assert {home.parent for home in folders.values()} == {homes.directory}
    for user, home in folders.items():
        owner = read_owner(homes.directory, home.name)
        # A name of spaces alone, or with line ends in it, is written without them.
        assert (owner.name if owner else "") == " ".join(user.encode(errors="replace").decode().split())
    for user in users:
        assert homes.remove_if_empty(user)
    assert list(homes.directory.iterdir()) == []


@pytest.mark.parametrize(
    ("auth_state", "email"),
    [
        (None, ""),
        ({"access_token": "x"}, ""),
        ({"email": "ada@example.org"}, "ada@example.org"),
        (
            {"access_token": "x", "github_user": {"login": "ada", "email": "ada@example.org"}},
            "ada@example.org",
        ),
        ({"github_user": {"login": "ada", "email": None}}, ""),
    ],
)
def test_an_address_is_found_wherever_a_login_has_it(auth_state: object, email: str) -> None:
    assert find_email(auth_state) == email


def test_the_shared_folder_is_shown_in_the_home(homes: Homes) -> None:
    shared = SharedFolder(nfs=EXPORT, mount_path="/shared", writers="instructors")
    homes = dataclasses.replace(homes, shared=shared)
    home = homes.prepare("ada")
    assert (home / "shared").readlink() == Path("/shared")
    homes.prepare("ada")
    assert homes.remove_if_empty("ada")
    (homes.directory / "grace" / "shared").mkdir(parents=True)
    assert not (homes.prepare("grace") / "shared").is_symlink()


def test_prepare_follows_no_link(homes: Homes, tmp_path: Path) -> None:
    (tmp_path / "ada").symlink_to("/")
    with pytest.raises(HomeError, match=r"The home of ada cannot be made|is not a directory"):
        homes.prepare("ada")


def test_prepare_says_why_it_cannot(homes: Homes) -> None:
    lost = dataclasses.replace(homes, directory=homes.directory / "missing")
    with pytest.raises(HomeError, match=r"The home of ada cannot be made at .*: No such file or directory\."):
        lost.prepare("ada")


def test_remove_deletes_what_is_in_it_and_accepts_none(homes: Homes) -> None:
    (homes.prepare("ada") / "file").touch()
    homes.remove("ada")
    homes.remove("ada")
    assert not homes.path_of("ada").exists()


def test_remove_does_not_follow_a_link(homes: Homes, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    homes.path_of("ada").symlink_to(target)
    with pytest.raises(HomeError):
        homes.remove("ada")
    assert target.exists()


def test_has_says_when_a_home_cannot_be_looked_at(homes: Homes) -> None:
    assert not homes.has("ada")
    homes.prepare("ada")
    assert homes.has("ada")
    homes.path_of("ada").rmdir()
    homes.directory.rename(homes.directory.with_name("moved"))
    homes.directory.touch()
    with pytest.raises(HomeError, match=r"The home of ada cannot be made at .*: Not a directory\."):
        homes.has("ada")


def test_remove_if_empty_keeps_files(homes: Homes) -> None:
    file = homes.prepare("ada") / "file"
    file.touch()
    assert not homes.remove_if_empty("ada")
    file.unlink()
    assert homes.remove_if_empty("ada")
    assert homes.remove_if_empty("ada")


def test_driver_options_are_those_of_an_nfs4_mount() -> None:
    assert EXPORT.driver_options("ada") == {
        "type": "nfs4",
        "device": ":/homes/ada",
        "o": "addr=10.20.0.11,rw,nfsvers=4.2,hard",
    }


def test_volume_name_changes_with_the_mount_options(homes: Homes) -> None:
    moved = dataclasses.replace(homes, nfs=dataclasses.replace(EXPORT, server="10.20.0.12"))
    assert homes.volume_name("ada") != moved.volume_name("ada")
    assert homes.volume_name("ada").startswith("home-ada-")
