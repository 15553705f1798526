"""The one class of error that is a user's to mend; it is shown without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong with what the user gave, and the way out.

    ``where`` is a config key path (``machines.worker.flavor``) or the name of a step, ``problem`` includes
    the offending value, ``rule`` says what is accepted, ``remedy`` what to do about it.
    """

    where: str
    problem: str
    remedy: str
    rule: str = ""

    def __str__(self) -> str:
        sentences = [f"{self.where}: {self.problem}", self.rule, self.remedy]
        return " ".join(s if s.endswith(("?", ".")) else f"{s}." for s in sentences if s)


class UserError(Exception):
    """Everything that is wrong with the user's input, found in one go."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        if not findings:
            raise ValueError("a UserError needs at least one finding")
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))
