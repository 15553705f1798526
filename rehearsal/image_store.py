"""The part of Docker's store on disk that some images need, without containers and build cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rehearsal.host import run
from rehearsal.rootfs import remove_tree

DRIVER = "overlay2"
IMAGES = Path("image") / DRIVER


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Return the ids Docker gives to a stack of layers, lowest first, each depending on all below it."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if chain:
            diff_id = "sha256:" + hashlib.sha256(f"{chain[-1]} {diff_id}".encode()).hexdigest()
        chain.append(diff_id)
    return chain


def _hex(identifier: str) -> str:
    return identifier.removeprefix("sha256:")


def _image_ids(data_root: Path, tags: Sequence[str]) -> dict[str, str]:
    repositories = json.loads((data_root / IMAGES / "repositories.json").read_text())["Repositories"]
    return {tag: repositories[tag.rpartition(":")[0]][tag] for tag in tags}


def files_of(data_root: Path, image_id: str) -> Iterator[Path]:
    """Return the files and directories below a data root that one image consists of, relative to it."""
    content = IMAGES / "imagedb/content/sha256" / _hex(image_id)
    yield content
    metadata = IMAGES / "imagedb/metadata/sha256" / _hex(image_id)
    if (data_root / metadata).exists():
        yield metadata
    for chain_id in chain_ids(json.loads((data_root / content).read_text())["rootfs"]["diff_ids"]):
        layer = IMAGES / "layerdb/sha256" / _hex(chain_id)
        yield layer
        directory = Path(DRIVER) / (data_root / layer / "cache-id").read_text().strip()
        yield directory
        yield Path(DRIVER) / "l" / (data_root / directory / "link").read_text().strip()


def extract(data_root: Path, tags: Sequence[str], target: Path) -> None:
    """Copy the images of a stopped daemon into a data root that a daemon of the same version can start from.

    Raises KeyError for a tag that is not there.
    """
    images = _image_ids(data_root, tags)
    remove_tree(target)
    wanted = sorted({path for image_id in images.values() for path in files_of(data_root, image_id)})
    for path in wanted:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
    target.chmod(0o710)
    # Whiteouts are devices and opaque directories are marked by trusted attributes: -a keeps both.
    listing = "\0".join(str(path) for path in wanted)
    run(
        ["sh", "-c", 'cd "$1" && xargs -0 cp -a --parents -t "$2"', "sh", data_root, target],
        input_text=listing,
    )
    repositories: dict[str, dict[str, str]] = {}
    for tag, image_id in sorted(images.items()):
        repositories.setdefault(tag.rpartition(":")[0], {})[tag] = image_id
    file = target / IMAGES / "repositories.json"
    file.write_text(json.dumps({"Repositories": repositories}, sort_keys=True))
    file.chmod(0o600)


def size_mb(store: Path) -> int:
    """Return the space a store takes, in MB."""
    return int(run(["du", "-s", "--block-size=1MB", store]).split()[0]) if store.exists() else 0


def remove(store: Path) -> None:
    """Delete a store."""
    shutil.rmtree(store, ignore_errors=True)
