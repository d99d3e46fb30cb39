"""`monopod status`: the status of a run in a cluster."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.commands.options.cluster import add_cluster_options, add_pod_argument
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "print the status of a run in a cluster"

EXAMPLES = """\
  monopod status build-x7k2p
  monopod status build-x7k2p -o json | jq '.status.conditions[0]'

With -o json or yaml, the output is the PipelineRun with its current status.

exit codes:
  0 success, for any status of the run; 2 no such run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_pod_argument(parser)
    add_cluster_options(parser)
    add_output_option(
        parser, ("json", "yaml"), "human (the default): a table of the Tasks; json or yaml: the PipelineRun"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the status of the run and return the exit code."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415
    from monopod.runner.kubernetes.run_status import print_status  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            print_status(find(cluster, arguments.namespace, arguments.pod), arguments.output)
    except (NoSuchPodError, BackendUnavailableError) as error:
        print(visible_lines(f"monopod status: {error}"), file=sys.stderr)
        return WRONG_INPUT
    return SUCCEEDED
