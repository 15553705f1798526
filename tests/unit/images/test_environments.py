"""The choice at the start of a server: form, answer, and what nobody was offered."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from swarmhub_hub.environments import (
    ChoiceError,
    Environment,
    choose,
    parse_environment,
    read_form,
    render_form,
)
from swarmhub_hub.sections import Section


def environment(name: str, **changes: Any) -> Environment:
    values: dict[str, Any] = {
        "description": "",
        "image": f"swarmhub/{name.lower()}:dev",
        "memory_gb": 1.0,
        "cpus": 1.0,
        "default_url": "/lab",
    }
    return Environment(name=name, **(values | changes))


PYTHON, R = environment("Python"), environment("R", description="R & <RStudio>", memory_gb=2.5, cpus=2.0)
BOTH = (PYTHON, R)


class Inputs(HTMLParser):
    """Collects inputs and what a reader of the page sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inputs: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.inputs.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_a_form_offers_each_with_its_limits_and_has_chosen_the_first() -> None:
    form = Inputs(render_form(BOTH))
    assert [(each["name"], each["value"], "checked" in each) for each in form.inputs] == [
        ("environment", "Python", True),
        ("environment", "R", False),
    ]
    assert form.texts == [
        *("Python", "1 GB of memory, 1 CPU"),
        *("R", "2.5 GB of memory, 2 CPUs", "R & <RStudio>"),
    ]


def test_one_environment_asks_nothing() -> None:
    assert render_form([PYTHON]) == ""


def test_what_was_chosen_is_what_the_form_says() -> None:
    assert choose(BOTH, read_form({"environment": ["R"]})) is R
    assert choose(BOTH, read_form({})) is PYTHON


@pytest.mark.parametrize("options", [{"image": "evil:latest"}, {"environment": "R", "image": "evil:latest"}])
def test_no_other_option_is_taken(options: dict[str, Any]) -> None:
    with pytest.raises(ChoiceError, match=r"^image: there is no such option, only environment\.$"):
        choose(BOTH, options)
    with pytest.raises(ChoiceError):
        choose([PYTHON], options)


@pytest.mark.parametrize("name", ["swarmhub/r:dev", "r", "", None, ["R"], 3])
def test_what_is_not_offered_is_refused_with_what_is(name: Any) -> None:
    with pytest.raises(ChoiceError, match=r"is not one of the environments here: Python, R\. Choose again\."):
        choose(BOTH, {"environment": name})


def test_a_choice_of_last_week_does_not_keep_anybody_out_where_there_is_none_now() -> None:
    assert choose([PYTHON], {"environment": "R"}) is PYTHON


def test_an_entry_is_named_by_its_place() -> None:
    problems: list[str] = []
    top = Section("user_server", {"environments": [{"name": "Python"}]}, problems)
    for entry in top.sections("environments"):
        parse_environment(entry)
    assert problems[0] == "user_server.environments[0].description: is missing. It must be a text."
    assert len(problems) == 5


def test_no_environment_at_all_is_refused() -> None:
    problems: list[str] = []
    assert Section("user_server", {"environments": []}, problems).sections("environments") == []
    assert problems == ["user_server.environments: [] is not a list of mappings."]
