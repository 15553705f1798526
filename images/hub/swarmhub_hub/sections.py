"""Mappings of hub.yaml, taken apart with all problems collected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Section:
    """A mapping of hub.yaml that is taken apart key by key, collecting what is wrong with it."""

    def __init__(self, path: str, content: object, problems: list[str]) -> None:
        self._path = path
        self._known: list[str] = []
        self._content: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
        self._problems = problems
        if not isinstance(content, Mapping):
            problems.append(f"{path or 'hub.yaml'}: a mapping is needed, not {content!r}.")
            # One sentence is enough: every key would be missing.
            self._problems = []

    def _full(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _take(self, key: str, rule: str, convert: Callable[[Any], T | None], fallback: T) -> T:
        self._known.append(key)
        if key not in self._content:
            self._problems.append(f"{self._full(key)}: is missing. It must be {rule}.")
            return fallback
        value = convert(self._content[key])
        if value is None:
            self._problems.append(f"{self._full(key)}: {self._content[key]!r} is not {rule}.")
            return fallback
        return value

    def text(self, key: str, rule: str = "a text", pattern: str = r".+") -> str:
        """Take a text that matches ``pattern`` wholly."""
        return self._take(
            key,
            rule,
            lambda value: value if isinstance(value, str) and re.fullmatch(pattern, value) else None,
            "",
        )

    def number(self, key: str) -> float:
        """Take a number above 0."""
        return self._take(
            key,
            "a number above 0",
            lambda value: (
                value if isinstance(value, int | float) and value is not True and value > 0 else None
            ),
            1.0,
        )

    def whole(self, key: str) -> int:
        """Take a whole number of at least 0."""
        return self._take(
            key,
            "a whole number of at least 0",
            lambda value: value if type(value) is int and value >= 0 else None,
            0,
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts."""
        return self._take(
            key,
            "a list of texts",
            lambda value: (
                tuple(value)
                if isinstance(value, list) and all(isinstance(one, str) for one in value)
                else None
            ),
            (),
        )

    def flag(self, key: str, *, if_missing: bool | None = None) -> bool:
        """Take true or false; ``if_missing`` stands for a key that need not be there."""
        if if_missing is not None and key not in self._content:
            self._known.append(key)
            return if_missing
        return self._take(
            key, "true or false", lambda value: value if isinstance(value, bool) else None, False
        )

    def groups(self, key: str) -> dict[str, tuple[str, ...]]:
        """Take a mapping of names to lists of texts."""
        section = self.section(key)
        return {str(name): section.texts(str(name)) for name in section._content}

    def variables(self, key: str) -> dict[str, str]:
        """Take variables of the environment; none when the key is not there."""
        if key not in self._content:
            return {}
        section = self.section(key)
        return {str(name): section.text(str(name)) for name in section._content}

    def sections(self, key: str) -> list[Section]:
        """Take a list of mappings, at least one."""
        entries: list[object] = self._take(
            key,
            "a list of mappings",
            lambda value: value if isinstance(value, list) and value else None,
            [],
        )
        return [
            Section(f"{self._full(key)}[{position}]", entry, self._problems)
            for position, entry in enumerate(entries)
        ]

    def section(self, key: str) -> Section:
        """Take a mapping."""
        self._known.append(key)
        if key not in self._content:
            self._problems.append(f"{self._full(key)}: is missing. It must be a mapping.")
            return Section(self._full(key), {}, [])
        return Section(self._full(key), self._content[key], self._problems)

    def section_or_none(self, key: str) -> Section | None:
        """Take a mapping, or an outspoken null."""
        if key in self._content and self._content[key] is None:
            self._known.append(key)
            return None
        return self.section(key)

    def refuse(self, key: str, problem: str) -> None:
        """Report what is wrong with a key beyond its own rule."""
        self._problems.append(f"{self._full(key)}: {problem}")

    def close(self) -> None:
        """Report the keys nothing asked for."""
        for key in self._content:
            if key not in self._known:
                near = difflib.get_close_matches(str(key), self._known, n=1)
                known = f"Known are: {', '.join(self._known)}."
                guess = f"Did you mean {self._full(near[0])}?" if near else known
                self._problems.append(f"{self._full(str(key))}: is not a setting. {guess}")
