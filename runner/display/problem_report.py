"""Prints the problems with the input: one line per problem, then their count if there are several.

On a terminal, each problem includes its source line (``problem_view``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TextIO

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problem
from monopod.runner.display.printable import printable


def print_problems(problems: Iterable[Problem], stream: TextIO) -> None:
    """Print errors and warnings, and a line with their count if there are several."""
    problems = tuple(problems)
    if not problems:
        return
    from monopod.runner.display.problem_view import ProblemView  # noqa: PLC0415  # most input has no problems

    view = ProblemView.of(stream, os.environ)
    for problem in problems:
        text = printable(str(problem), colours=False) if view is None else view.render(problem)
        print(text, file=stream)
    if len(problems) > 1:
        print(counted(problems), file=stream)


def warnings_of(compilations: Iterable[Compilation]) -> list[Problem]:
    """Return the warnings of several runs without duplicates: runs repeat warnings about what they share."""
    return sorted({warning for compilation in compilations for warning in compilation.warnings})


def counted(problems: Iterable[Problem]) -> str:
    """Return the count of each severity, such as ``2 errors, 1 warning``."""
    severities = [problem.severity for problem in problems]
    numbers = [(severities.count(severity), severity) for severity in ("error", "warning", "note")]
    return ", ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in numbers if number)
