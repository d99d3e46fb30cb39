"""Problems: what is wrong with the input, and where.

A function that only checks something yields problems. A function that makes a value and may find something wrong on the
way returns both, or adds the problem to the `Report` of the run. Only the edge raises them, as `Problems`.

Left to others: finding problems (all of the compiler), printing them and the exit code (the command line).
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from monopod.compiler.rules import CAUSES, Rule

_MANY = 64

Severity: TypeAlias = Literal["error", "warning", "note"]
"""An error prevents the run. A warning points out a risk, a note a possible improvement."""

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file, or (line 0) the whole file.

    The first line and the first column are 1. Columns count characters.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in one line that a person can act on.

    `rule` is a short name that never changes, such as ``unknown-field``, for tests and other tools. A problem with an
    option of the command line has no position.
    """

    position: Position | None
    message: str
    rule: Rule
    severity: Severity = "error"

    def __str__(self) -> str:
        message = self.message if self.severity == "error" else f"{self.severity}: {self.message}"
        return message if self.position is None else f"{self.position}: {message}"

    def __lt__(self, other: Problem) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[int, bool, str, int, int, str]:
        """Sort errors before warnings before notes, and within each, what cannot be read or fetched first."""
        rank = (_SEVERITIES.index(self.severity), self.rule not in CAUSES)
        if self.position is None:
            return (*rank, "", 0, 0, self.message)
        return (*rank, self.position.file, self.position.line, self.position.column, self.message)


class Report:
    """Collects the problems of one run while its stages compile it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.has_errors = False

    def add(self, problem: Problem) -> None:
        """Add a problem."""
        self.problems.append(problem)
        self.has_errors = self.has_errors or problem.severity == "error"

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add these problems, in their order."""
        for problem in problems:
            self.add(problem)


class CompilationStoppedError(Exception):
    """Raised when a stage cannot return a value; the report has the reason."""


class Problems(Exception):  # noqa: N818  # named after what it carries
    """Raised at the edge of the compiler when the input has errors. Carries all problems, in order, each once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the candidate most similar to the name; empty if none is similar."""
    candidate = closest(name, candidates)
    return f" (did you mean '{candidate}'?)" if candidate is not None else ""


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most similar to the name; None if none is similar.

    A candidate that contains the name (``computeResources`` for ``resources``) comes before a similar one. Of very many
    candidates only those with a similar beginning are compared, since a file may have as many wrong names.
    """
    wanted = name.lower()
    by_lower_case, known = _prepared(frozenset(candidates))
    if len(known) > _MANY:
        middle = bisect.bisect(known, wanted)
        known = known[max(0, middle - _MANY // 2) : middle + _MANY // 2]
    longer = [candidate for candidate in known if len(wanted) >= 4 and wanted in candidate]
    close = sorted(longer, key=len)[:1] or difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    return by_lower_case[close[0]] if close else None


@lru_cache(16)
def _prepared(candidates: frozenset[str]) -> tuple[dict[str, str], list[str]]:
    """Return the candidates by what they are in lower case, and these in order."""
    by_lower_case = {candidate.lower(): candidate for candidate in sorted(candidates, reverse=True)}
    return by_lower_case, sorted(by_lower_case)
