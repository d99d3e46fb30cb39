"""`monopod check`: everything that is wrong or risky with the input; nothing is run."""

from __future__ import annotations

import argparse
import os
import sys

from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compiler_options,
    load_documents,
    names_of_a_run,
)

SUMMARY = "tell everything that is wrong or risky with a Pipeline, and run nothing"

EXAMPLES = """\
  monopod check -f pipeline.yaml
  monopod check -f tekton/ --strict
  monopod check -f tekton/ --format sarif > monopod.sarif

to ignore a warning or note, by its rule in [ ]:
  # monopod: ignore=unpinned-image       a comment on its line or the line above
  monopod.dev/ignore: unpinned-image     an annotation of the object"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="text for a person (the default), json, or sarif (2.1.0) for code scanning",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="let warnings, too, make the exit code 2 (notes never do), and list the notes that most files get",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print what is found on standard output. Returns 2 if there are errors, with `strict` also if warnings."""
    from monopod.compiler.advice.checking import Checked, check  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415
    from monopod.runner.display.ci_log import write_json  # noqa: PLC0415
    from monopod.runner.display.problem_view import ProblemView  # noqa: PLC0415
    from monopod.runner.reports.check_report import Look, report  # noqa: PLC0415

    try:
        checked = check(load_documents(arguments), compiler_options(arguments, **names_of_a_run()))
    except Problems as errors:
        checked = Checked(errors.problems)
    look = Look(ProblemView.of(sys.stdout, os.environ), arguments.strict)
    text = report(checked, [*arguments.files, *arguments.more_files], arguments.format, look)
    (sys.stdout.write if arguments.format == "text" else write_json)(text)
    fatal = {"error", "warning"} if arguments.strict else {"error"}
    return 2 if any(problem.severity in fatal for problem in checked.problems) else 0
