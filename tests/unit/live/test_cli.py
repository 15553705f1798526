"""The operator's command line: names, help, and how mistakes are shown."""

from __future__ import annotations

import argparse
import types

import pytest

from live.cli import main
from swarmhub.errors import Finding, UserError


def command(outcome: int | BaseException) -> types.ModuleType:
    module = types.ModuleType("live.commands.look_twice", "Look twice.\n\nThen once more.")

    def run(options: argparse.Namespace) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome + int(options.more)

    module.add_arguments = lambda parser: parser.add_argument("more")  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    return module


def test_a_command_is_called_by_its_modules_name() -> None:
    assert main(["look-twice", "2"], [command(1)]) == 3


def test_the_first_line_of_its_docstring_is_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], [command(0)])
    assert "Look twice\n" in capsys.readouterr().out


def test_a_users_mistake_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    error = UserError([Finding(where="stack", problem="it is not up", remedy="Run pulumi up")])
    assert main(["look-twice", "0"], [command(error)]) == 1
    assert capsys.readouterr().err == "stack: it is not up. Run pulumi up.\n"


def test_an_interrupt_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look-twice", "0"], [command(KeyboardInterrupt())]) == 130
    assert capsys.readouterr().err == ""
