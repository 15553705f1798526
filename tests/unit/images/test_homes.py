from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from swarmhub_hub import homes as homes_module
from swarmhub_hub.homes import HomeError, Homes, NfsExport

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
