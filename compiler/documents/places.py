"""Places: where something was written, so that a problem with it can be reported there.

Left to others: finding problems (all stages), the position of a path in its file (``documents``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from monopod.compiler.diagnostics import Position, Problem, Severity
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path


class Positioned(Protocol):
    """A document that knows the position of each of its paths, and reports problems there."""

    def position(self, path: Path) -> Position:
        """Return the position of `path`, or of the closest place around it."""

    def problem(self, path: Path, message: str, rule: Rule, *, severity: Severity = "error") -> Problem:
        """Return a problem at `path`; its message begins with the path in the file."""


class Place(Protocol):
    """Where something was written."""

    def at(self, *parts: str | int) -> Place:
        """Return a place inside this one."""

    def problem(self, rule: Rule, message: str, severity: Severity = "error") -> Problem:
        """Return a problem at this place."""


class DocumentPlace(NamedTuple):
    """A place in a document. A Task has dozens, and named tuples are made three times as fast as frozen dataclasses."""

    document: Positioned
    path: Path = ()

    def at(self, *parts: str | int) -> DocumentPlace:
        """Return the place at a path inside this one."""
        return DocumentPlace(self.document, self.path + parts)

    def problem(self, rule: Rule, message: str, severity: Severity = "error") -> Problem:
        """Return a problem at this place."""
        return self.document.problem(self.path, message, rule, severity=severity)


@dataclass(frozen=True, slots=True)
class OptionPlace:
    """An option of the command line, as the user wrote it: ``-p version=1``."""

    option: str

    def at(self, *parts: str | int) -> OptionPlace:  # noqa: ARG002  # an option has no inside
        """Return this place."""
        return self

    def problem(self, rule: Rule, message: str, severity: Severity = "error") -> Problem:
        """Return a problem with the option."""
        return Problem(None, f"{self.option}: {message}", rule, severity)
