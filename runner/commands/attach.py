"""`monopod attach`: follow a run of another shell or of a cluster, from its beginning to its end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from monopod.runner.commands.options.known_run import add_known_run_argument, refuse, with_known_run
from monopod.runner.commands.options.lines import add_line_options, line_options
from monopod.runner.commands.options.output import add_output_option

if TYPE_CHECKING:
    from monopod.runner.known_runs.opening import Opened

SUMMARY = "follow a run of another shell or of a cluster, from its beginning to its end"

EXAMPLES = """\
  monopod attach                                  (the latest run of this project)
  monopod attach ci-x7k2p --logs unit-tests       (show only this output, and failures)
  monopod attach ci-x7k2p --context prod -n ci    (a Pod in a cluster)

The output starts at the beginning of the run, and is the output of `monopod run`. If the run has ended, all of it is
printed. Ctrl-C, or a reader that exits (`| head`), detaches; the run continues. `monopod cancel` cancels it.

A run in a cluster that nobody has recorded is recorded, if you follow it to its end. Lines written before you attached
are recorded with the time they were read.

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 no such run, 130 cancelled, or detached with Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_known_run_argument(parser)
    add_output_option(
        parser,
        ("json", "yaml", "name"),
        "human (the default); json or yaml: print only the finished PipelineRun; name: print only its name",
    )
    add_line_options(parser)
    parser.add_argument(
        "--no-record", action="store_true", help="do not record the run for `monopod runs`, `report` and `explain`"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Follow the run and return its exit code. Raises Problems."""
    from monopod.runner.known_runs.finding import find_run, wanted  # noqa: PLC0415  # not needed for --help

    return with_known_run(
        "attach", lambda: find_run(wanted(arguments, arguments.known_run)), lambda run: _attach(arguments, run)
    )


def _attach(arguments: argparse.Namespace, run: Opened) -> int:
    from monopod.runner.known_runs.attaching import attach_to_record  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.recorded_run import read_plan  # noqa: PLC0415
    from monopod.runner.records.store import Record, records_root  # noqa: PLC0415
    from monopod.runner.run_options import Options  # noqa: PLC0415

    plan = read_plan(run) if isinstance(run, Record) else run.plan
    records = None if arguments.no_record else records_root()
    options = Options(arguments.output, keep=False, records=records, lines=line_options(arguments, [plan]))
    if isinstance(run, Record):
        return attach_to_record(run, options)
    from monopod.runner.kubernetes.detached import attach  # noqa: PLC0415  # only for runs in a cluster
    from monopod.runner.kubernetes.existing import NoSuchPodError  # noqa: PLC0415

    try:
        return attach(run, options)
    except NoSuchPodError as error:
        return refuse("attach", error)
