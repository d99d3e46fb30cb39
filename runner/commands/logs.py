"""`monopod logs`: the log of a run, of this machine or of a cluster, or the output of one of its Tasks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from monopod.runner.commands.options.input import duration, positive_number
from monopod.runner.commands.options.known_run import add_known_run_argument, refuse, with_known_run
from monopod.runner.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from monopod.runner.known_runs.finding import Found
    from monopod.runner.known_runs.log_lines import LogOptions
    from monopod.runner.known_runs.opening import Opened

SUMMARY = "print the log of a run, or the output of one of its Tasks"

EXAMPLES = """\
  monopod logs                                 (the latest run of this project)
  monopod logs -f                              (and what it writes until it ends)
  monopod logs unit-tests                      (the output of a Task of the latest run)
  monopod logs ci-x7k2p unit-tests/pytest      (the output of a Step)
  monopod logs ci 'test[go=1.22]'              (one combination of a matrix, by value or by index: 'test[2]')
  monopod logs ci-x7k2p scan/codeql            (a Task of the Pipeline that the Task scan runs; for all of them: scan)
  monopod logs ci-x7k2p unit-tests --attempt 1 --tail 20
  monopod logs build-x7k2p --context prod      (a Pod in a cluster)

Without a Task, the log has the output of all Steps, and the events of their Tasks, as `monopod run` prints them.
A single name is a run or a Pipeline, if one is called so, or else a Task of the latest run of this project.

exit codes:
  0 success, 2 no such run, Task, Step or attempt, 130 interrupted with Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_known_run_argument(parser, "logged_run")
    parser.add_argument(
        "logged_task", nargs="?", metavar="TASK[/STEP]", help="print only the output of this Task or Step"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="keep printing until the run ends")
    parser.add_argument("--attempt", type=positive_number, metavar="N", help="print only this attempt, from 1")
    parser.add_argument(
        "--tail", type=_line_count, metavar="N", help="print only the last N lines, and with -f what follows"
    )
    parser.add_argument(
        "--since", type=duration, metavar="DURATION", help="print only lines newer than this, such as 5m"
    )
    parser.add_argument("--timestamps", action="store_true", help="prefix each line with its time (RFC 3339, UTC)")


def _line_count(text: str) -> int:
    """Return a number of lines. Raises ArgumentTypeError, which argparse reports."""
    return 0 if text == "0" else positive_number(text)


def execute(arguments: argparse.Namespace) -> int:
    """Print the log or the output and return the exit code."""
    from monopod.runner.display.background_output import background_output  # noqa: PLC0415  # not needed for --help
    from monopod.runner.signals import interrupt  # noqa: PLC0415

    with background_output() as output, output.on_loss(interrupt):
        return with_known_run("logs", lambda: _find(arguments), lambda run: _print(arguments, run))


def _find(arguments: argparse.Namespace) -> Found:
    """Return the run. A single name that is the name of a Task becomes ``logged_task``. Raises NoSuchRunError."""
    from monopod.runner.known_runs.finding import NoSuchRunError, find_run, wanted  # noqa: PLC0415  # not for --help
    from monopod.runner.known_runs.tasks_of_latest import find_latest_with, suggested_task  # noqa: PLC0415

    run = wanted(arguments, arguments.logged_run)
    if run.name is not None and arguments.logged_task is None and not run.is_in_cluster:
        latest = find_latest_with(run.name)
        if latest is not None:
            arguments.logged_task = run.name
            return latest
        try:
            return find_run(run)
        except NoSuchRunError as error:
            raise NoSuchRunError(f"{error}{suggested_task(run.name)}") from error
    return find_run(run)


def _options(arguments: argparse.Namespace, run: Opened) -> LogOptions:
    """Return what is printed. Raises NoSuchTaskError, RecordError."""
    import os  # noqa: PLC0415  # not needed for --help
    import sys  # noqa: PLC0415
    import time  # noqa: PLC0415

    from monopod.runner.known_runs.log_lines import LogOptions  # noqa: PLC0415
    from monopod.runner.known_runs.task_selection import choose  # noqa: PLC0415
    from monopod.runner.records.recorded_run import read_plan  # noqa: PLC0415
    from monopod.runner.records.store import Record  # noqa: PLC0415

    plan = read_plan(run) if isinstance(run, Record) else run.plan
    return LogOptions(
        None if arguments.logged_task is None else choose(plan, arguments.logged_task),
        arguments.attempt,
        None if arguments.since is None else time.time() - arguments.since,
        arguments.timestamps,
        sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )


def _print(arguments: argparse.Namespace, run: Opened) -> int:
    from monopod.runner.known_runs.log_printing import print_pod_log, print_record_log  # noqa: PLC0415
    from monopod.runner.known_runs.task_selection import NoSuchTaskError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.store import Record  # noqa: PLC0415

    try:
        options = _options(arguments, run)
    except NoSuchTaskError as error:
        return refuse("logs", error)
    if isinstance(run, Record):
        problem = print_record_log(run, options, tail=arguments.tail, follow=arguments.follow)
    else:
        problem = print_pod_log(run, options, tail=arguments.tail, follow=arguments.follow)
    return SUCCEEDED if problem is None else refuse("logs", problem)
