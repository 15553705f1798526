from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal import seed
from rehearsal.seed import KEY_PROPERTY, upload
from swarmhub.errors import UserError

# sha1sum of "0123"
CACHED_0123 = "c4b5c86bd577da3d93fea7c89cba61c78b48e589"


class Images:
    """Stands in for Glance."""

    def __init__(self, *stored: SimpleNamespace) -> None:
        self.stored = list(stored)

    def images(self, name: str) -> list[SimpleNamespace]:
        return [image for image in self.stored if image.name == name]

    def delete_image(self, image: SimpleNamespace) -> None:
        self.stored.remove(image)

    def create_image(self, name: str, **given: Any) -> SimpleNamespace:
        created = image(name, given[KEY_PROPERTY])
        self.stored.append(created)
        return created


def image(name: str, key: str, status: str = "active") -> SimpleNamespace:
    return SimpleNamespace(name=name, status=status, properties={KEY_PROPERTY: key})


def keys_after(images: Images, key: str) -> list[tuple[str, str]]:
    upload(SimpleNamespace(image=images), "debian-12", Path("x"), key, format="qcow2", container="bare")
    return [(image.name, image.properties[KEY_PROPERTY]) for image in images.stored]


def test_an_image_of_the_same_key_stays() -> None:
    stored = image("debian-12", "k1")
    images = Images(stored)
    assert keys_after(images, "k1") == [("debian-12", "k1")]
    assert images.stored == [stored]


def test_an_older_image_makes_way() -> None:
    images = Images(image("debian-12", "old"), image("debian-12-kernel", "old"))
    assert keys_after(images, "new") == [("debian-12-kernel", "old"), ("debian-12", "new")]


def test_an_interrupted_upload_is_made_again() -> None:
    images = Images(image("debian-12", "k1", status="queued"))
    assert keys_after(images, "k1") == [("debian-12", "k1")]
    assert images.stored[0].status == "active"


class Compute:
    """Stands in for Nova: its host is up at the second look, and fetches images if it ``works``."""

    def __init__(self, cache: Path, *, works: bool = True) -> None:
        self.states = iter(("down", "up"))
        self.cache = cache
        self.works = works
        self.asked: list[str] = []

    def services(self, binary: str) -> Iterator[SimpleNamespace]:
        assert binary == "nova-compute"
        yield SimpleNamespace(state=next(self.states))

    def find_aggregate(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(id=1, name=name)

    def post(self, url: str, **given: Any) -> SimpleNamespace:
        assert next(self.states, None) is None, "the host was not up"
        self.asked += [image["id"] for image in given["json"]["cache"]]
        if self.works:
            (self.cache / CACHED_0123).touch()
        return SimpleNamespace(status_code=202)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(seed, "CACHE_DIRECTORY", tmp_path)
    monkeypatch.setattr(seed, "CACHE_LOG", tmp_path / "log")
    monkeypatch.setattr(seed, "CACHE_SECONDS", 0.6)
    return tmp_path


def test_an_image_is_cached_by_a_host_that_is_up(cache: Path) -> None:
    compute = Compute(cache)
    seed.cache_image(SimpleNamespace(compute=compute), "0123")
    assert compute.asked == ["0123"]


def test_a_cached_image_is_not_fetched_again(cache: Path) -> None:
    (cache / CACHED_0123).touch()
    compute = Compute(cache)
    seed.cache_image(SimpleNamespace(compute=compute), "0123")
    assert compute.asked == []


def test_an_image_that_is_never_cached_ends_the_wait(cache: Path) -> None:
    with pytest.raises(UserError, match=r"the guest image in Nova's cache: not reached within 1 s"):
        seed.cache_image(SimpleNamespace(compute=Compute(cache, works=False)), "0123")
