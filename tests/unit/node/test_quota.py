"""What the quota reconciler decides, and what of it needs no XFS."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarmhub_hub.names import FOLDER, escape

from node import quota
from node.quota import FIRST_PROJECT, GB, Charge, Corrections, Home, Wanted, decide

DEFAULT = Wanted(default_gb=5.0, configured={"ada": 20.0}, overrides={})
FOLDERS = st.sampled_from([f"home{number}" for number in range(12)])
PROJECTS = st.sampled_from([0, 7, *range(FIRST_PROJECT, FIRST_PROJECT + 8)])
CHARGES = st.builds(
    Charge,
    used_bytes=st.integers(0, 10 * GB),
    inodes=st.integers(0, 2),
    limit_bytes=st.sampled_from([0, 5 * GB, 7 * GB]),
)


def charge(limit_gb: float, inodes: int = 1) -> Charge:
    return Charge(used_bytes=0, inodes=inodes, limit_bytes=int(limit_gb * GB))


def test_a_new_home_gets_an_id_and_a_limit() -> None:
    corrections = decide([Home("grace", 0, False)], {}, DEFAULT)
    assert corrections == Corrections(projects={"grace": FIRST_PROJECT}, limits={FIRST_PROJECT: 5 * GB})


def test_homes_in_order_are_left_alone() -> None:
    homes = [Home("ada", FIRST_PROJECT, True), Home("grace", FIRST_PROJECT + 1, True)]
    charges = {FIRST_PROJECT: charge(20), FIRST_PROJECT + 1: charge(5)}
    assert decide(homes, charges, DEFAULT) == Corrections(projects={}, limits={})


def test_an_id_that_is_not_handed_down_is_kept_and_mended() -> None:
    corrections = decide([Home("ada", FIRST_PROJECT + 3, False)], {FIRST_PROJECT + 3: charge(20)}, DEFAULT)
    assert corrections == Corrections(projects={"ada": FIRST_PROJECT + 3}, limits={})


def test_a_deleted_homes_limit_goes_and_its_id_waits_until_nothing_is_charged_to_it() -> None:
    gone = {FIRST_PROJECT: charge(5), FIRST_PROJECT + 1: charge(5, inodes=0)}
    corrections = decide([Home("grace", 0, False)], gone, DEFAULT)
    assert corrections.projects == {"grace": FIRST_PROJECT + 1}
    assert corrections.limits == {FIRST_PROJECT: 0}


def test_homes_that_could_not_be_looked_at_are_not_taken_for_deleted() -> None:
    assert decide([], {FIRST_PROJECT: charge(5)}, DEFAULT, complete=False).limits == {}


@given(
    folders=st.dictionaries(FOLDERS, st.tuples(PROJECTS, st.booleans())),
    charges=st.dictionaries(st.sampled_from(range(FIRST_PROJECT, FIRST_PROJECT + 16)), CHARGES),
)
def test_one_pass_is_enough_and_no_two_homes_share_an_id(
    folders: Mapping[str, tuple[int, bool]], charges: Mapping[int, Charge]
) -> None:
    homes = [Home(folder, *found) for folder, found in folders.items()]
    corrections = decide(homes, charges, DEFAULT)
    mended = [Home(home.folder, corrections.projects.get(home.folder, home.project), True) for home in homes]
    assert len({home.project for home in mended}) == len(mended)
    applied = dict(charges)
    for project, limit in corrections.limits.items():
        before = applied.get(project, charge(0, inodes=0))
        applied[project] = Charge(before.used_bytes, before.inodes, limit)
    assert decide(mended, applied, DEFAULT) == Corrections(projects={}, limits={})
    for home in mended:
        assert applied[home.project].limit_bytes == DEFAULT.limit_bytes(home.folder)


@pytest.mark.parametrize(
    ("folder", "quota_gb", "set_by"),
    [
        ("grace", 5.0, "storage.home_quota_gb"),
        ("ada", 20.0, "storage.quota_overrides"),
        ("alan", 1.5, "swarmhub quota set"),
    ],
)
def test_an_override_by_hand_outranks_the_stack_file(folder: str, quota_gb: float, set_by: str) -> None:
    wanted = Wanted(default_gb=5.0, configured={"ada": 20.0, "alan": 3.0}, overrides={"alan": 1.5})
    assert (wanted.quota_gb(folder), wanted.set_by(folder)) == (quota_gb, set_by)


def test_limits_are_whole_blocks() -> None:
    wanted = Wanted(default_gb=0.1, configured={}, overrides={"ada": 0})
    assert wanted.limit_bytes("grace") == 107_376_640
    assert wanted.limit_bytes("grace") % quota.BLOCK_BYTES == 0
    assert wanted.limit_bytes("ada") == 0


def test_quotas_are_read_by_name_and_known_by_folder() -> None:
    assert quota.read_quotas({"ada": 1, "Ada": 2}) == {"ada": 1.0, "-41da": 2.0}


@pytest.mark.parametrize("content", [[], {"ada": "much"}, {"ada": -1}, {"ada": True}, {"ada": None}])
def test_quotas_that_are_none_are_refused(content: Any) -> None:
    with pytest.raises(quota.QuotaError, match="is not a"):
        quota.read_quotas(content)


@pytest.mark.parametrize(
    ("content", "sentence"), [("{", "is not JSON"), ("[]", "is not a mapping"), ('{"ada": 10000}', "")]
)
def test_a_broken_note_of_unfinished_homes_stops_nothing(
    tmp_path: Path, content: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "unfinished.json"
    assert quota.read_unfinished(file) == {}
    file.write_text(content)
    assert quota.read_unfinished(file) == ({} if sentence else {"ada": 10000})
    assert sentence in capsys.readouterr().err


@given(st.text(min_size=1))
def test_every_home_the_hub_makes_is_taken_for_one(name: str) -> None:
    assert re.fullmatch(FOLDER, escape(name))


def test_structures_have_the_kernels_sizes() -> None:
    # linux/fs.h and linux/dqblk_xfs.h; the first size is part of the ioctl's number.
    assert quota.FSXATTR.size == 28 == (quota.FS_IOC_FSGETXATTR >> 16) & 0x3FFF
    assert quota.DISK_QUOTA.size == 112
    assert ctypes.sizeof(ctypes.c_int) == 4


def test_only_plain_directories_of_that_name_are_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "read_project", lambda descriptor: (0, False))
    for name in ("ada", "not_a_home", "lost+found", "Upper"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "ada_email.txt").touch()
    (tmp_path / "link").symlink_to("/")
    failures: dict[str, str] = {}
    assert quota.scan(tmp_path, failures) == [Home("ada", 0, False)]
    assert failures == {}


def test_the_walk_gives_ids_to_files_and_follows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, outside = tmp_path / "ada", tmp_path / "outside"
    (home / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").touch()
    for name in ("file", "a/b/file"):
        (home / name).touch()
    (home / "link").symlink_to(outside)
    os.mkfifo(home / "fifo")
    given_to: set[Path] = set()
    monkeypatch.setattr(
        quota, "write_project", lambda fd, project: given_to.add(Path(f"/proc/self/fd/{fd}").readlink())
    )
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted as the others
    assert len(list(quota.give_project(home, 10_000))) == 4
    assert given_to == {home / name for name in ("file", "a", "a/b", "a/b/file")}
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208


def test_a_tree_deeper_than_the_limit_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_DEPTH", 3)
    monkeypatch.setattr(quota, "write_project", lambda descriptor, project: None)
    (tmp_path / "1/2/3/4/5").mkdir(parents=True)
    with pytest.raises(quota.QuotaError, match="deeper than 3"):
        list(quota.give_project(tmp_path, 10_000))


def test_another_file_system_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"homes": "/proc", "state": str(tmp_path), "default_gb": 1, "users": {}}
    file = tmp_path / "quota.json"
    file.write_text(json.dumps(settings))
    assert quota.main(["--settings", str(file), "once"]) == 1
    assert "Quotas need XFS mounted with the option pquota." in capsys.readouterr().err
    file.write_text("{}")
    assert quota.main(["--settings", str(file), "once"]) == 1
    assert "has no 'homes'. Deploy anew." in capsys.readouterr().err


def test_the_watcher_hears_of_a_home_and_of_a_directory_that_is_gone(tmp_path: Path) -> None:
    homes = tmp_path / "homes"
    homes.mkdir()
    watcher = quota.Watcher()
    watcher.add(homes, quota.IN_CREATE)
    watcher.wait(0)
    (homes / "ada").mkdir()
    watcher.wait(60)
    (homes / "ada").rmdir()
    homes.rmdir()
    with pytest.raises(quota.QuotaError, match="removed or unmounted"):
        watcher.wait(60)
