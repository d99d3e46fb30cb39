"""`monopod logs`: the log of a run in a cluster, or the output of one of its Tasks."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.commands.options.cluster import add_cluster_options, add_pod_argument
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "print the log of a run in a cluster, or the output of one of its Tasks"

EXAMPLES = """\
  monopod logs build-x7k2p                       (the events of the run)
  monopod logs -f build-x7k2p unit-tests         (follow the output of a Task)
  monopod logs build-x7k2p unit-tests/pytest     (the output of a Step)
  monopod logs build-x7k2p 'test[go=1.22]'       (one combination of a matrix, by value or by index: 'test[2]')
  monopod logs build-x7k2p scan/codeql           (a Task of the Pipeline that the Task scan runs; for all of them: scan)

For a run on this machine, use `monopod report RUN -o report.html`.

exit codes:
  0 success, 2 no such run, Task or Step"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_pod_argument(parser)
    parser.add_argument("task", nargs="?", metavar="TASK[/STEP]", help="print only the output of this Task or Step")
    parser.add_argument("-f", "--follow", action="store_true", help="keep printing until the run ends")
    add_cluster_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Print the log or the output and return the exit code."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.background_output import background_output  # noqa: PLC0415
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415
    from monopod.runner.kubernetes.reading import print_output, print_run_log  # noqa: PLC0415
    from monopod.runner.kubernetes.task_selection import NoSuchTaskError, choose  # noqa: PLC0415
    from monopod.runner.signals import interrupt  # noqa: PLC0415

    try:
        with background_output() as output, output.on_loss(interrupt), connect(arguments.context) as cluster:
            existing = find(cluster, arguments.namespace, arguments.pod)
            if arguments.task is None:
                print_run_log(existing, follow=arguments.follow)
            else:
                print_output(existing, choose(existing.plan, arguments.task), follow=arguments.follow)
    except NoSuchTaskError as error:
        print(visible_lines(f"monopod logs: {error}"), file=sys.stderr)
        return WRONG_INPUT
    except (NoSuchPodError, BackendUnavailableError) as error:
        print(visible_lines(f"monopod logs: {_local_run_hint(arguments.pod) or error}"), file=sys.stderr)
        return WRONG_INPUT
    return SUCCEEDED


def _local_run_hint(name: str) -> str | None:
    """Return what to do if `name` is a run recorded on this machine instead of a Pod; None if it is not."""
    from monopod.runner.records.store import records, records_root  # noqa: PLC0415  # not needed otherwise

    for record in records(records_root()):
        if record.identity == name and record.header.backend != "kubernetes":
            return f"run '{name}' ran on this machine; use `monopod report {name} -o {name}.html`"
    return None
