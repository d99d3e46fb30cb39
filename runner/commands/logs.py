"""`monopod logs`: what happened in a run in a cluster, and what its Steps wrote."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.commands.options.cluster import add_cluster_options, add_pod_argument
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "print the story of a run in a cluster, or what a Task of it wrote"

EXAMPLES = """\
  monopod logs build-x7k2p                       (what happened, and when)
  monopod logs -f build-x7k2p unit-tests         (what the Steps of a Task write, as it comes)
  monopod logs build-x7k2p unit-tests/pytest     (one Step)
  monopod logs build-x7k2p 'test[go=1.22]'       (one combination of a matrix, by its values or its index: 'test[2]')
  monopod logs build-x7k2p scan/codeql           (a Task of the Pipeline that stands for the Task scan, or all: scan)

exit codes:
  0 it was printed, 2 there is no such run, Task or Step"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_pod_argument(parser)
    parser.add_argument("task", nargs="?", metavar="TASK[/STEP]", help="only what this Task, or Step, wrote")
    parser.add_argument("-f", "--follow", action="store_true", help="go on to the end of the run")
    add_cluster_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Print what is asked for and return the exit code."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.outlet import outlets  # noqa: PLC0415
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415
    from monopod.runner.kubernetes.reading import print_output, print_story  # noqa: PLC0415
    from monopod.runner.kubernetes.task_selection import NoSuchTaskError, choose  # noqa: PLC0415
    from monopod.runner.signals import interrupt  # noqa: PLC0415

    try:
        with outlets() as output, output.telling(interrupt), connect(arguments.context) as cluster:
            existing = find(cluster, arguments.namespace, arguments.pod)
            if arguments.task is None:
                print_story(existing, follow=arguments.follow)
            else:
                print_output(existing, choose(existing.plan, arguments.task), follow=arguments.follow)
    except (NoSuchPodError, NoSuchTaskError, BackendUnavailableError) as error:
        print(visible_lines(f"monopod logs: {error}"), file=sys.stderr)
        return 2
    return 0
