from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rehearsal.seed import KEY_PROPERTY, upload


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
