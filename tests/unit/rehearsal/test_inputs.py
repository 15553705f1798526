from __future__ import annotations

from pathlib import Path

from rehearsal.inputs import digest, forget_key, is_current, record_key, recorded_key


def test_digest_of_texts_keeps_them_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_digest_of_a_tree_follows_contents_names_and_modes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    file = tree / "a.sh"
    file.write_text("one")
    seen = {digest(tree)}
    file.write_text("two")
    seen.add(digest(tree))
    file.chmod(0o755)
    seen.add(digest(tree))
    file.rename(tree / "b.sh")
    seen.add(digest(tree))
    assert len(seen) == 4


def test_digest_does_not_depend_on_the_place_or_on_compiled_files(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("same")
    (tmp_path / "there" / "__pycache__").mkdir()
    (tmp_path / "there" / "__pycache__" / "a.pyc").write_text("compiled")
    assert digest(tmp_path / "here") == digest(tmp_path / "there")


def test_a_key_counts_only_while_its_target_exists(tmp_path: Path) -> None:
    target = tmp_path / "artifact"
    record_key(target, "k")
    assert recorded_key(target) is None
    target.write_text("built")
    assert is_current(target, "k")
    assert not is_current(target, "other")
    forget_key(target)
    assert not is_current(target, "k")
