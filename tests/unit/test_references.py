"""Which image students get: what Docker starts without asking a registry, the same on all workers."""

from __future__ import annotations

from swarmhub.references import common_references, pinned, read_references

PULLED = "image r:1: pulled in 3 s\ndigest r:1 sha256:abc\n"
LOADED = "image local:dev: here already\nid local:dev sha256:123\n"
SAID = PULLED + LOADED
REFERENCES = {"r:1": "r:1@sha256:abc", "local:dev": "sha256:123"}


def test_references_are_read_from_what_a_step_says() -> None:
    assert read_references(SAID) == REFERENCES
    assert read_references("") == {}


def test_workers_that_agree_are_not_worth_a_word() -> None:
    assert common_references({"worker-1": SAID, "worker-2": SAID}) == (REFERENCES, [])
    assert common_references({}) == ({}, [])


def test_the_first_workers_digest_counts_and_the_others_are_named() -> None:
    references, sentences = common_references({"worker-1": SAID, "worker-2": SAID.replace("abc", "def")})
    assert references == REFERENCES
    [sentence] = sentences
    assert sentence.startswith("worker-2 has another r:1 than the first worker: the tag has moved.")
    assert sentence.endswith("raise hub.images.refresh")


def test_what_came_from_no_registry_keeps_its_name_where_workers_have_it_otherwise() -> None:
    said = {"worker-1": SAID, "worker-2": SAID.replace("123", "456"), "worker-3": SAID}
    references, sentences = common_references(said)
    assert references == {"r:1": "r:1@sha256:abc"}
    [sentence] = sentences
    assert sentence.startswith(
        "worker-2 has another local:dev than the first worker: a server has what is on"
    )


def test_an_image_is_named_by_its_digest_once() -> None:
    by_digest = "r@sha256:abc"
    references = read_references(f"{SAID}digest {by_digest} sha256:abc\nid s@sha256:def sha256:789\n")
    assert pinned("r:1", references) == "r:1@sha256:abc"
    assert pinned(by_digest, references) == by_digest
    assert pinned("s@sha256:def", references) == "s@sha256:def"
    assert pinned("local:dev", references) == "sha256:123"
    assert pinned("other:1", references) == "other:1"
