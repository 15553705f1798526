from __future__ import annotations

from pathlib import Path

from rehearsal.paths import cache_directory
from rehearsal.rootfs import RootSpec


def test_the_cache_is_where_the_user_says() -> None:
    assert cache_directory({"SWARMHUB_CACHE": "/big/disk", "HOME": "/root"}) == Path("/big/disk")
    assert cache_directory({"XDG_CACHE_HOME": "/var/cache", "HOME": "/root"}) == Path("/var/cache/swarmhub")
    assert cache_directory({"HOME": "/home/ada"}) == Path("/home/ada/.cache/swarmhub")


def test_a_root_is_built_anew_when_its_making_changes_not_its_place() -> None:
    spec = RootSpec(directory=Path("/a"), packages=("one", "two"))
    assert spec.key == RootSpec(directory=Path("/b"), packages=("one", "two")).key
    assert spec.key != RootSpec(directory=Path("/a"), packages=("one",)).key
    assert spec.key != RootSpec(directory=Path("/a"), packages=("one", "two"), suite="trixie").key
    assert spec.key != RootSpec(directory=Path("/a"), packages=("one", "two"), revision="2").key
