"""`monopod status`: the status of a run, of this machine or of a cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from monopod.runner.commands.options.known_run import add_known_run_argument, refuse, with_known_run
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from monopod.runner.known_runs.opening import Opened
    from monopod.runner.run_options import Output

SUMMARY = "print the status of a run, its Tasks and their Steps"

EXAMPLES = """\
  monopod status                                       (the latest run of this project)
  monopod status ci-x7k2p
  monopod status ci                                    (the latest run of the Pipeline ci)
  monopod status ci-x7k2p --context prod -n ci         (a Pod in a cluster)
  monopod status -o json | jq '.status.conditions[0]'

With -o json or yaml, the output is the PipelineRun with its current status.

exit codes:
  0 success, for any status of the run; 2 no such run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_known_run_argument(parser)
    add_output_option(
        parser,
        ("json", "yaml", "name"),
        "human (the default): a table of the Tasks; json or yaml: the PipelineRun; name: only its name",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the status of the run and return the exit code."""
    from monopod.runner.known_runs.finding import find_run, wanted  # noqa: PLC0415  # not needed for --help

    if "/" in (arguments.known_run or "") and _is_job(arguments):
        return SUCCEEDED
    return with_known_run(
        "status", lambda: find_run(wanted(arguments, arguments.known_run)), lambda run: _print(run, arguments.output)
    )


def _is_job(arguments: argparse.Namespace) -> bool:
    """Print the status of a Job with several indexes. Returns False if RUN is something else, or cannot be read."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, job_in  # noqa: PLC0415
    from monopod.runner.kubernetes.job_status import print_job_status  # noqa: PLC0415

    job = job_in(arguments.known_run)
    if job is None:
        return False
    try:
        with connect(arguments.context) as cluster:
            return print_job_status(cluster, arguments.namespace, job, arguments.output)
    except (NoSuchPodError, BackendUnavailableError):
        return False  # the search for a run reports it


def _print(run: Opened, output: Output) -> int:
    from monopod.runner.known_runs.record_status import print_record_status  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.store import Record  # noqa: PLC0415

    if isinstance(run, Record):
        if output == "name":
            print(f"{run.header.kind.lower()}.tekton.dev/{run.header.name}")
        else:
            print_record_status(run, output)
    elif output == "name":
        print(f"{run.plan.document['kind'].lower()}.tekton.dev/{run.name.name}")
    else:
        from monopod.runner.kubernetes.existing import NoSuchPodError  # noqa: PLC0415  # only for runs in a cluster
        from monopod.runner.kubernetes.run_status import print_status  # noqa: PLC0415

        try:
            print_status(run, output)
        except NoSuchPodError as error:
            return refuse("status", error)
    return SUCCEEDED
