"""`monopod attach`: follow a run that goes on in a cluster, from its beginning to its end."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.cluster_options import add_cluster_options, add_pod_argument

SUMMARY = "follow a run in a cluster, from its beginning to its end"

EXAMPLES = """\
  monopod attach build-x7k2p
  monopod attach build-x7k2p --context prod -n ci -o json

What has happened already is shown too. Ctrl-C, or a reader of the output who goes away (`| head`), leaves the run to
itself; `monopod cancel` cancels it.

exit codes:
  as of `monopod run`: 0 Succeeded or Completed, 1 Failed, 2 there is no such run, 130 cancelled, or left with Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_pod_argument(parser)
    add_cluster_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=("human", "json", "yaml", "name"),
        default="human",
        help="human (the default); json or yaml: only the finished PipelineRun on standard output; name: only its name",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Follow the Pod and return the exit code of its run."""
    from monopod.runner.backend import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.detached import attach  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            return attach(find(cluster, arguments.namespace, arguments.pod), arguments.output)
    except (NoSuchPodError, BackendUnavailableError) as error:
        print(f"monopod attach: {error}", file=sys.stderr)
        return 2
