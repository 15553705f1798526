"""Keys: what a built thing was made from, so that it is built again only when that changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            if child.name != "__pycache__":
                yield from _files(child)
    else:
        yield path


def digest(*parts: str | Path) -> str:
    """Return the hash of texts and of files or trees: relative names, executable bits and contents."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"text {len(part.encode())}\n{part}\n".encode())
            continue
        for file in _files(part):
            content = str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
            executable = bool(not file.is_symlink() and file.stat().st_mode & 0o100)
            name = file.relative_to(part) if file != part else Path(part.name)
            total.update(f"file {name} {executable} {len(content)}\n".encode() + content + b"\n")
    return total.hexdigest()


def key_file(target: Path) -> Path:
    """Return the path of the file beside ``target`` that holds its key."""
    return target.with_name(target.name + ".key")


def recorded_key(target: Path) -> str | None:
    """Return the key ``target`` was built from, or None if it is missing or was never finished."""
    file = key_file(target)
    return file.read_text().strip() if target.exists() and file.exists() else None


def is_current(target: Path, key: str) -> bool:
    """Whether ``target`` exists and was built from these inputs."""
    return recorded_key(target) == key


def record_key(target: Path, key: str) -> None:
    """Say that ``target`` is complete and was built from these inputs."""
    key_file(target).write_text(key + "\n")


def forget_key(target: Path) -> None:
    """Say that ``target`` is about to change."""
    key_file(target).unlink(missing_ok=True)
