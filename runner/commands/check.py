"""`monopod check`: report every error and risk in the input without running it."""

from __future__ import annotations

import argparse
import os
import sys

from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compiler_options,
    input_files,
    load_documents,
    placeholder_names,
)
from monopod.runner.garbage_collection import without_garbage_collection

SUMMARY = "report errors and risks in a Pipeline without running it"

EXAMPLES = """\
  monopod check -f pipeline.yaml
  monopod check -f tekton/ --strict
  monopod check -f tekton/ --format sarif > monopod.sarif

to ignore a warning or note, name its rule, which is printed in [ ]:
  # monopod: ignore=unpinned-image       a comment on the same line or the line above
  monopod.dev/ignore: unpinned-image     an annotation on the object"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="text (the default), json, or sarif (2.1.0, for code scanning)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit with 2 on warnings too (never on notes), and list common notes one by one",
    )


@without_garbage_collection()
def execute(arguments: argparse.Namespace) -> int:
    """Print all problems. Returns 2 if there are errors, or warnings with ``--strict``."""
    from monopod.compiler.advice.checking import Checked, check  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415
    from monopod.runner.display.ci_log import write_json  # noqa: PLC0415
    from monopod.runner.display.problem_view import ProblemView  # noqa: PLC0415
    from monopod.runner.reports.check_report import TextStyle, report  # noqa: PLC0415

    try:
        checked = check(load_documents(arguments), compiler_options(arguments, **placeholder_names(), folders="copied"))
    except Problems as errors:
        checked = Checked(errors.problems)
    style = TextStyle(ProblemView.of(sys.stdout, os.environ), arguments.strict)
    text = report(checked, input_files(arguments), arguments.format, style)
    (sys.stdout.write if arguments.format == "text" else write_json)(text)
    fatal = {"error", "warning"} if arguments.strict else {"error"}
    return 2 if any(problem.severity in fatal for problem in checked.problems) else 0
