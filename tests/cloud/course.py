"""A stack whose configuration changes as a course of tests goes on."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from scripts.progress import Progress
from scripts.stack import Stack
from tests.cloud.conftest import CLOUD, FAILED, Surroundings, configuration_for_tests, keep_logs

Kind = TypeVar("Kind", bound="Course")


class Course:
    """The stack under test; ``subject`` is what its phases are listed under."""

    subject: ClassVar[str]
    # What pulumi runs with beside the rehearsal cloud's own settings.
    environment: Mapping[str, str] = MappingProxyType({})

    stack: Stack

    def __init__(self, given: Surroundings) -> None:
        self.name = f"test-{uuid.uuid4().hex[:6]}"
        self.connection, self.config = given.connection, given.config
        self._make, self._phases = given.make_stack, given.phases

    def take(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Have the dev stack's configuration in the test project, changed so."""
        configuration = copy.deepcopy(configuration_for_tests())
        change(configuration["config"])
        self.stack = self._make(self.name, configuration, dict(self.environment))

    def change(self, operation: str, what: str, *options: str) -> Progress:
        """Run it and time it."""
        with self._phases.phase(f"{self.subject}: {what}"):
            return self.stack.change(operation, *options)

    def expect_no_changes(self) -> None:
        assert set(self.stack.change("up", "--expect-no-changes").counts) == {"unchanged"}

    def end(self) -> None:
        """Destroy what there is, whatever happened."""
        if self.stack.exists() and self.stack.count_resources():
            self.stack.mend(cloud=CLOUD)
            self.change("destroy", "destroy, in the end")


@contextmanager
def ending(course: Kind) -> Iterator[Kind]:
    """The course, and at its end its logs if a test failed, and its end."""
    yield course
    if course.config.stash.get(FAILED, False):
        keep_logs(course.stack, course.connection)
    course.end()
