"""Broken stack files by the hundred: never a traceback, always a key and what to do about it."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest
import yaml

from live.cloud import survey_cloud
from live.configuration import read_stack_configuration
from swarmhub.context import Contexts
from swarmhub.errors import Finding, UserError
from swarmhub.plan import cloud_request, make_plan
from swarmhub.preflight import check
from swarmhub.settings import Settings, keys_of, read_settings
from tests.conftest import GOLDEN
from tests.support.fake_cloud import FakeCloud
from tests.support.recording import PROJECT, flatten_config
from tests.support.stacks import OWN_CONTEXTS, dev_config, host_config

LONGEST_MESSAGE_CHARACTERS = 1000
NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)

JUNK: dict[str, Any] = {
    "a truth": True,
    "a negative number": -1,
    "a fraction": 2.5,
    "a huge number": 10**40,
    "a number too long to write": 10**5000,
    "not a number": float("nan"),
    "infinity": float("-inf"),
    "an empty text": "",
    "blanks": "  ",
    "two lines": "first\nsecond",
    "letters of far away": "школа-春 \U0001f40b",
    "half a character": "\ud800\x00",
    "a long text": "x" * 5000,
    "an empty list": [],
    "a list of junk": [None, [], {}, float("nan"), "\x1b[31m"],
    "an empty mapping": {},
    "a nested mapping": {"a": {"b": [{"c": {}}]}},
    "keys that are no texts": {3: "x", None: "y", (1, 2): "z"},
    "an unknown key": {"\n\u202e" * 40: 1},
}


def key_paths(section: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the stack file, the sections themselves included."""
    for name, key in keys_of(section).items():
        yield (*path, name)
        if key.section:
            yield from key_paths(key.section, (*path, name))


def with_value(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    place = config
    for name in path[:-1]:
        inner = place.get(name)
        place[name] = inner if isinstance(inner, dict) else {}
        place = place[name]
    place[path[-1]] = copy.deepcopy(value)
    return config


def findings_of(read: Callable[[], object]) -> list[str]:
    findings: tuple[Finding, ...] = ()
    try:
        read()
    except UserError as error:
        findings = error.findings
    assert all(each.where and each.remedy for each in findings)
    return [str(each) for each in findings]


def broken_configurations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in key_paths(Settings):
        for kind, value in JUNK.items():
            yield ".".join(path), kind, with_value(dev_config(), path, value)
            if path[0] in ("site", "machines", "storage"):
                yield ".".join(path), kind, with_value(host_config(), path, value)


def test_hundreds_of_broken_values_are_refused_by_key_with_a_remedy() -> None:
    refused = 0
    for path, kind, config in broken_configurations():
        messages = findings_of(lambda config=config: read_settings(config))  # type: ignore[misc]
        refused += bool(messages)
        for message in messages:
            what = f"{path} set to {kind}: {message}"
            section = path.split(".")[0]
            assert message.partition(":")[0].split(".")[0] in (section, *keys_of(Settings)), what
            # A key set alone in an optional section can make another of its keys missing.
            place = path if section == path else path.rpartition(".")[0]
            assert any(place in each for each in messages), what
            assert message.isprintable(), what
            assert message.endswith((".", "?")), what
            assert len(message) < LONGEST_MESSAGE_CHARACTERS, what
    assert refused >= 500


def test_what_is_said_of_each_key(golden: Callable[[str, str], None]) -> None:
    said = [
        f"{'.'.join(path)} set to {kind}\n  " + "\n  ".join(messages)
        for path in key_paths(Settings)
        for kind in ("a truth", "a list of junk")
        if (messages := findings_of(reading(with_value(dev_config(), path, JUNK[kind]))))
    ]
    golden("errors/of-each-key.txt", "\n".join(said) + "\n")


def reading(config: dict[str, Any]) -> Callable[[], object]:
    return lambda: read_settings(config)


def examining(config: dict[str, Any]) -> Callable[[], object]:
    """What follows on a stack file that is accepted: the cloud is asked, and told apart from the plan."""

    def examine() -> None:
        settings = read_settings(config)
        survey = survey_cloud(
            cloud_request(settings, "dev"), "swarmhub-dev", lambda _name, _region: FakeCloud()
        )
        if survey.findings:
            raise UserError(survey.findings)
        plan = make_plan(settings, survey.facts, "dev", contexts=Contexts(own=OWN_CONTEXTS))
        if failures := check(plan, survey, NOW).failures:
            raise UserError(failures)

    return examine


def test_what_is_accepted_and_odd_is_refused_in_words_when_the_cloud_is_asked() -> None:
    refused = accepted = 0
    for path in key_paths(Settings):
        # Which directory an image is built from is asked elsewhere.
        if path[:2] == ("hub", "environments"):
            continue
        for kind, value in JUNK.items():
            config = with_value(dev_config(), path, value)
            if findings_of(reading(config)) or config["site"].get("kind") == "existing":
                continue
            accepted += 1
            messages = findings_of(examining(config))
            refused += bool(messages)
            for message in messages:
                what = f"{'.'.join(path)} set to {kind}: {message}"
                assert message.isprintable(), what
                assert len(message) < LONGEST_MESSAGE_CHARACTERS, what
    assert accepted > refused > 0


def as_pulumi_gives_it(config: dict[str, Any]) -> Any:
    pulumi.runtime.set_all_config(flatten_config(config), [])
    try:
        return read_settings(read_stack_configuration(PROJECT))
    finally:
        pulumi.runtime.set_all_config({}, [])


@pytest.mark.parametrize("section", [each.name for each in dataclasses.fields(Settings)])
@pytest.mark.parametrize(
    "written",
    ["", "a word", "{", "3", "null", "[]", "9" * 5000, "NaN", "[" * 200_000, '"text"', "\ud800"],
    ids=lambda text: text[:8].encode("unicode_escape").decode() or "nothing",
)
def test_a_section_that_is_no_mapping_is_refused_by_name(section: str, written: str) -> None:
    messages = findings_of(lambda: as_pulumi_gives_it({**dev_config(), section: written}))
    # A section whose keys all have defaults may be left empty.
    assert written == "null" or [message.partition(":")[0] for message in messages] == [section]


def test_keys_outside_any_section_are_refused() -> None:
    assert findings_of(lambda: as_pulumi_gives_it({**dev_config(), "hbu": "{}"})) == [
        "hbu: this key is unknown. Did you mean hub?"
    ]


CASES = sorted(path.stem for path in (GOLDEN / "errors").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_messages_of_broken_stack_files(case: str, golden: Callable[[str, str], None]) -> None:
    config = yaml.safe_load((GOLDEN / "errors" / f"{case}.yaml").read_text())["config"]
    # As the engine hands it over, dates and all.
    sent = json.loads(json.dumps(config, default=str))
    messages = findings_of(lambda: as_pulumi_gives_it(sent))
    assert messages
    golden(f"errors/{case}.txt", "\n".join(messages) + "\n")
