"""`monopod rerun`: run a recorded run again, or the Tasks of it that failed."""

from __future__ import annotations

import argparse
import os
import sys

from monopod.runner.commands.options.input import add_workspaces
from monopod.runner.commands.options.lines import add_line_options
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.params import add_params, params_of, words_of
from monopod.runner.commands.options.recorded_run import add_recorded_run_argument
from monopod.runner.commands.options.secrets import add_secret_options
from monopod.runner.commands.options.selection import add_selection_options, selection
from monopod.runner.exit_codes import WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "run a recorded run again, or only the Tasks that failed"

EXAMPLES = """\
  monopod rerun                            (the latest run of this project, with the same options)
  monopod rerun --failed -p version=1.3    (only what did not succeed or has changed, and what comes after it)
  monopod rerun build --from unit-tests    (the latest run of the Pipeline build, but only from this Task on)

The files are read again; for files that are gone, and for standard input, the record has their content. With --failed,
--from and --only, Tasks that succeeded and have not changed are reused: their Results come from the record, their files
from folders, claims and kept volumes. If those files are gone, nothing is run.

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 no such run, or it cannot be repeated (nothing was run), 130 cancelled"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_recorded_run_argument(parser)
    parser.add_argument(
        "--failed",
        action="store_true",
        help="run only the Tasks that did not succeed or have changed, and those that come after them",
    )
    add_selection_options(parser)
    add_params(parser)
    add_workspaces(parser)
    add_secret_options(parser)
    add_output_option(parser, ("json", "yaml", "name"), "as in `monopod run`: human (the default), json, yaml or name")
    add_line_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the recorded run again and return the exit code. Raises Problems."""
    from monopod.runner.commands import run  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.store import RecordError  # noqa: PLC0415

    if arguments.failed and (arguments.only or arguments.start):
        return _refuse("--failed chooses the Tasks by itself; leave out --from and --only")
    try:
        again = _arguments_of_run(arguments)
    except RecordError as error:
        return _refuse(str(error))
    return run.execute(again)


def _refuse(message: str) -> int:
    print(visible_lines(f"monopod rerun: {message}"), file=sys.stderr)
    return WRONG_INPUT


def _absolute(binding: str) -> str:
    """Return a binding of a Workspace, which may be a folder relative to where it was typed."""
    return os.path.abspath(binding) if binding.startswith(".") else binding


def _arguments_of_run(arguments: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments of `monopod run` for the recorded run. Raises RecordError."""
    from monopod.runner.command_line import parser_of  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.recorded_run import read_run  # noqa: PLC0415
    from monopod.runner.records.repetition import read_repetition  # noqa: PLC0415
    from monopod.runner.records.store import RecordError, choose, own_project, records_root  # noqa: PLC0415
    from monopod.runner.repeating.earlier_tasks import earlier_tasks  # noqa: PLC0415
    from monopod.runner.repeating.reuse import Repeated  # noqa: PLC0415

    record = choose(records_root(), arguments.run, own_project())
    repetition = read_repetition(record.directory)
    if record.status == "Running":
        raise RecordError(f"'{record.identity}' is still running")
    words = [*repetition.words, *words_of(params_of(arguments))]
    words += [word for name, binding in arguments.workspaces for word in ("-w", f"{name}={_absolute(binding)}")]
    words += [f"--secret={option}" for option in arguments.secrets]
    words += [] if arguments.secret_file is None else ["--secret-file", arguments.secret_file]
    again = parser_of("monopod run", "run").parse_intermixed_args(words)
    again.words = words
    again.backend = record.header.backend
    again.files, again.more_files = list(repetition.files), []
    again.recorded = repetition.texts
    for name in ("output", "logs", "timestamps", "quiet"):
        setattr(again, name, getattr(arguments, name))
    again.repeated = Repeated(
        name=record.identity,
        tasks=earlier_tasks(read_run(record)),
        digests=repetition.digests,
        kept=repetition.kept,
        index=repetition.index,
        selection=selection(arguments),
        failed=arguments.failed,
    )
    if os.path.isdir(repetition.directory):
        os.chdir(repetition.directory)
    return again
