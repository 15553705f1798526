"""What the workers' images are, beyond their names: a tag can move, a digest or an id cannot."""

from __future__ import annotations

from collections.abc import Mapping


def read_references(said: str) -> dict[str, str]:
    """What ensure-images.sh printed of each image, as Docker takes it instead of the image's name.

    That is the image by its digest where it came from a registry, else its id, ``sha256:...``. Of both Docker
    starts what is there, and asks no registry.
    """
    found = {}
    for line in said.splitlines():
        word, *rest = line.split(" ")
        if word == "digest" and len(rest) == 2:
            image, digest = rest
            found[image] = image if "@" in image else f"{image}@{digest}"
        elif word == "id" and len(rest) == 2:
            image, identifier = rest
            found[image] = image if "@" in image else identifier
    return found


def common_references(said: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The reference of each image by what each worker printed, and a sentence for each worker that differs.

    The first worker's digest counts: others pull such an image when they first run it. An id counts where all
    have it, for what is nowhere else cannot be pulled.
    """
    read = {worker: read_references(text) for worker, text in said.items()}
    first = next(iter(read.values()), {})
    common = {}
    sentences = []
    for image, reference in first.items():
        others = [worker for worker, found in read.items() if found.get(image) != reference]
        if not others or not _is_id(reference):
            common[image] = reference
        sentences += [
            f"{worker} has another {image} than the first worker: {_what_follows(reference)}"
            for worker in others
        ]
    return common, sentences


def _is_id(reference: str) -> bool:
    return reference.startswith("sha256:")


def _what_follows(reference: str) -> str:
    if _is_id(reference):
        return (
            "a server has what is on the worker where it starts. "
            "Give all workers the same, then raise hub.images.refresh"
        )
    return (
        "the tag has moved. Servers start from the first worker's. "
        "To have the newer one everywhere, raise hub.images.refresh"
    )


def pinned(image: str, references: Mapping[str, str]) -> str:
    """The image by what Docker starts without asking a registry, where that is known."""
    return references.get(image, image)
