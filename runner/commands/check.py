"""`monopod check`: everything that is wrong or risky with the input; nothing is run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from monopod.runner.input_options import add_file_options, add_run_options, compile_documents

if TYPE_CHECKING:
    from monopod.compiler.diagnostics import Problem

SUMMARY = "tell everything that is wrong or risky with a Pipeline, and run nothing"

EXAMPLES = """\
  monopod check -f pipeline.yaml
  monopod check -f tekton/ -p version=1.2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Print the problems on standard output, and a line for each file. Returns 2 if there are errors."""
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415  # not needed for --help
    from monopod.runner.problem_report import print_problems, warnings_of  # noqa: PLC0415

    try:
        problems: Iterable[Problem] = warnings_of(compile_documents(arguments))
    except Problems as errors:
        problems = errors.problems
    print_problems(problems, sys.stdout)
    for file in [*arguments.files, *arguments.more_files]:
        if not any(_is_in(problem, file) for problem in problems):
            print(f"{file}: ok")
    return 2 if any(problem.severity == "error" for problem in problems) else 0


def _is_in(problem: Problem, file: str) -> bool:
    """Whether a problem is in a file, or in a file of a directory."""
    if problem.position is None:
        return True  # it may be anybody's
    return problem.position.file == file or problem.position.file.startswith(file.rstrip("/") + "/")
