"""`monopod attach`: follow a running Pipeline in a cluster, from its beginning to its end."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.commands.options.cluster import add_cluster_options, add_pod_argument
from monopod.runner.commands.options.lines import add_line_options, line_options
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "follow a run in a cluster, from its beginning to its end"

EXAMPLES = """\
  monopod attach build-x7k2p
  monopod attach build-x7k2p --context prod -n ci -o json
  monopod attach build-x7k2p --logs unit-tests    (show only this output, and failures)

The output starts at the beginning of the run. A run that is followed to its end is recorded, as with `monopod run`.
Lines written before you attached are recorded with the time they were read. Ctrl-C, or a reader that exits (`| head`),
detaches; the run continues. `monopod cancel` cancels it.

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 no such run, 130 cancelled, or detached with Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_pod_argument(parser)
    add_cluster_options(parser)
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
    """Follow the Pod and return the exit code of its run."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.detached import attach  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415
    from monopod.runner.records.store import records_root  # noqa: PLC0415
    from monopod.runner.run_pods import Options  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            existing = find(cluster, arguments.namespace, arguments.pod)
            lines = line_options(arguments, [existing.plan])
            records = None if arguments.no_record else records_root()
            return attach(existing, Options(arguments.output, keep=False, records=records, lines=lines))
    except (NoSuchPodError, BackendUnavailableError) as error:
        print(visible_lines(f"monopod attach: {error}"), file=sys.stderr)
        return WRONG_INPUT
