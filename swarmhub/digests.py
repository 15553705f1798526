"""What the workers' images are, beyond their names: a tag can move, a digest cannot."""

from __future__ import annotations

from collections.abc import Mapping


def read_digests(said: str) -> dict[str, str]:
    """The digests that ensure-images.sh printed, by image; one that came from no registry has none."""
    found = {}
    for line in said.splitlines():
        word, *rest = line.split(" ")
        if word == "digest" and len(rest) == 2:
            found[rest[0]] = rest[1]
    return found


def common_digests(said: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The digest of each image by what each worker printed, and a sentence for each that differs.

    The first worker's count: others pull such an image when they first run it.
    """
    digests: dict[str, str] = {}
    sentences = []
    for worker, text in said.items():
        for image, digest in read_digests(text).items():
            if digests.setdefault(image, digest) != digest:
                sentences.append(
                    f"{worker} has another {image} than the first worker: the tag has moved. "
                    "Servers start from the first worker's. "
                    "To have the newer one everywhere, raise hub.images.refresh"
                )
    return digests, sentences


def pinned(image: str, digests: Mapping[str, str]) -> str:
    """The image by its digest, if it has one: Docker starts it without asking a registry."""
    digest = digests.get(image)
    return f"{image}@{digest}" if digest and "@" not in image else image
