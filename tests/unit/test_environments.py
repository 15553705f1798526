"""``hub.environments``: what may be chosen, what contradicts, what is on which machine beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from swarmhub.errors import UserError
from swarmhub.plan import Environment, Plan
from swarmhub.settings import read_settings
from tests.support.stacks import dev_config, dev_plan

PYTHON = {"name": "Python", "image": "example.org/python:1"}
R = {"name": "R", "image": "example.org/r:1", "description": "With RStudio", "memory_gb": 2, "default": True}


def plan_with(*environments: dict[str, Any]) -> Plan:
    return dev_plan(hub__environments=list(environments), hub__images__user=None)


def refusal(environments: Any, user_image: str | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_settings(
            dev_config(
                hub__environments=environments, hub__images__user=user_image, hub__images__registry=None
            )
        )
    return str(caught.value).splitlines()


def test_a_single_image_is_the_only_environment() -> None:
    assert dev_plan().environments == (
        Environment(name="only", description="", image="swarmhub/user:dev", memory_gb=0.5, cpus=1.0),
    )


def test_the_default_comes_first_and_limits_are_those_of_all() -> None:
    assert plan_with(PYTHON, R).environments == (
        Environment(name="R", description="With RStudio", image="example.org/r:1", memory_gb=2.0, cpus=1.0),
        Environment(name="Python", description="", image="example.org/python:1", memory_gb=0.5, cpus=1.0),
    )


def test_without_a_default_the_first_is() -> None:
    assert [each.name for each in plan_with(PYTHON, R | {"default": False}).environments] == ["Python", "R"]


MESSAGES: list[tuple[Any, str | None, str]] = [
    (
        [PYTHON],
        "swarmhub/user:dev",
        (
            "hub.images.user: this key has no meaning beside hub.environments. "
            "Each environment names its image. Remove one of the two."
        ),
    ),
    ([PYTHON, PYTHON], None, "hub.environments: 2 are called Python. Names differ. Rename one."),
    (
        [R, PYTHON | {"default": True}],
        None,
        "hub.environments: R, Python are each the default. One can be. Leave default: true at one.",
    ),
    (
        [PYTHON, {"name": "R", "imagee": "r:1"}],
        None,
        "hub.environments[1].imagee: this key is unknown. Did you mean image?",
    ),
    (
        {"Python": "python:1"},
        None,
        (
            "hub.environments: {'Python': 'python:1'} is not a list of mappings. Each entry has the keys "
            "name, image, build, description, memory_gb, cpus, default_url, default. "
            "Write an entry as - {key: value, ...}."
        ),
    ),
    (
        [PYTHON, {"name": "R"}],
        None,
        (
            "hub.environments[1].image: this key is missing. Students' servers need an image. "
            "Set it, or build to a directory that it is made from."
        ),
    ),
    (
        [PYTHON | {"default_url": "rstudio"}],
        None,
        "hub.environments[0].default_url: 'rstudio' is not accepted. It is a path below a student's server",
    ),
    ([PYTHON | {"default_url": "//evil.example.org"}], None, "hub.environments[0].default_url: '//evil"),
    ([PYTHON | {"name": "Py\nthon"}], None, "hub.environments[0].name: 'Py\\nthon' is not accepted."),
]


@pytest.mark.parametrize(
    ("environments", "image", "message"), MESSAGES, ids=[message[:50] for *_, message in MESSAGES]
)
def test_a_contradiction_is_named_with_its_remedy(environments: Any, image: str | None, message: str) -> None:
    assert refusal(environments, image)[0].startswith(message)
