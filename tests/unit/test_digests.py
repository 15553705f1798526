"""Which image students get: by digest where a registry gave one, the same on all workers."""

from __future__ import annotations

from swarmhub.digests import common_digests, pinned, read_digests

SAID = "image r:1: pulled in 3 s\ndigest r:1 sha256:abc\nimage local:dev: here already\n"


def test_digests_are_read_from_what_a_step_says() -> None:
    assert read_digests(SAID) == {"r:1": "sha256:abc"}
    assert read_digests("") == {}


def test_workers_that_agree_are_not_worth_a_word() -> None:
    assert common_digests({"worker-1": SAID, "worker-2": SAID}) == ({"r:1": "sha256:abc"}, [])


def test_the_first_workers_image_counts_and_the_others_are_named() -> None:
    digests, sentences = common_digests({"worker-1": SAID, "worker-2": SAID.replace("abc", "def")})
    assert digests == {"r:1": "sha256:abc"}
    [sentence] = sentences
    assert sentence.startswith("worker-2 has another r:1 than the first worker: the tag has moved.")
    assert sentence.endswith("raise hub.images.refresh")


def test_an_image_is_named_by_its_digest_once() -> None:
    digests = {"r:1": "sha256:abc", "r@sha256:abc": "sha256:abc"}
    assert pinned("r:1", digests) == "r:1@sha256:abc"
    assert pinned("r@sha256:abc", digests) == "r@sha256:abc"
    assert pinned("local:dev", digests) == "local:dev"
