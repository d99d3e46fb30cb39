"""Telling a person what is wrong with the input: one line for each problem, then how many there are.

On a terminal a problem has more lines, with the source (``problem_view``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TextIO

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problem
from monopod.runner.display.printable import printable
from monopod.runner.display.problem_view import ProblemView


def print_problems(problems: Iterable[Problem], stream: TextIO) -> None:
    """Print errors and warnings, and a line that counts them. Nothing is printed if there are none."""
    problems = tuple(problems)
    view = ProblemView.of(stream, os.environ) if problems else None
    for problem in problems:
        text = printable(str(problem), colours=False) if view is None else view.render(problem)
        print(text, file=stream)
    if problems:
        print(counted(problems), file=stream)


def warnings_of(compilations: Iterable[Compilation]) -> list[Problem]:
    """Return the warnings of several runs, each once: what they share is warned of by each."""
    return sorted({warning for compilation in compilations for warning in compilation.warnings})


def counted(problems: Iterable[Problem]) -> str:
    """Return how many errors, warnings and notes there are: ``2 errors, 1 warning``."""
    severities = [problem.severity for problem in problems]
    numbers = [(severities.count(severity), severity) for severity in ("error", "warning", "note")]
    return ", ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in numbers if number)
