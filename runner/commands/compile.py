"""`monopod compile`: compile a Pipeline into the Pod that runs it, or a Job or CronJob of that Pod."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.runner.commands.options.input import add_file_options, add_run_options, compile_documents, duration
from monopod.runner.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from monopod.compiler.pod.kube_version import KubeVersion

SUMMARY = "compile a Pipeline into one Pod and write it as YAML"

EXAMPLES = """\
  monopod compile -f pipeline.yaml > pod.yaml
  monopod compile -f pipeline.yaml -f tasks.yaml -p version=1.2 -w source=pvc:sources -o pod.yaml
  monopod compile -f pipeline.yaml --image-config images.json    (without a registry)
  compile-pipeline pipeline.yaml | kubectl create -f -
  monopod compile -f pipeline.yaml --kind Job --ttl 1h | kubectl create -f -
  monopod compile -f pipeline.yaml --kind CronJob --schedule '30 3 * * 1-5' --time-zone Europe/Berlin -o nightly.yaml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--kube-version",
        type=_kube_version,
        metavar="VERSION",
        help="the Kubernetes version to compile for, such as 1.36 (default: 1.29 or later)",
    )
    parser.add_argument(
        "--kind",
        choices=("Pod", "Job", "CronJob", "PodTemplate"),
        default="Pod",
        help="the object to write: a Pod (the default), a Job, a CronJob or a PodTemplate",
    )
    parser.add_argument(
        "--schedule", metavar="SCHEDULE", help="the schedule of a CronJob: '30 3 * * 1-5', @daily, '@every 2h' ..."
    )
    parser.add_argument("--time-zone", metavar="ZONE", help="the time zone of the schedule, such as Europe/Berlin")
    parser.add_argument(
        "--ttl",
        type=duration,
        metavar="DURATION",
        help="delete a Job this long after it ends, such as 1h",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Write the Pod (or Job ...) of each run, after the other objects of the input. Raises Problems."""
    from monopod.compiler.pod.workload import Workload  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.problem_report import print_problems, warnings_of  # noqa: PLC0415
    from monopod.runner.files.written_documents import write_documents  # noqa: PLC0415

    options = {} if arguments.kube_version is None else {"kube_version": arguments.kube_version}
    workload = Workload(arguments.kind, arguments.schedule, arguments.time_zone, arguments.ttl)
    compilations = compile_documents(arguments, workload=workload, **options)
    print_problems(warnings_of(compilations), sys.stderr)
    first = compilations[0]
    other_objects = (*first.config_maps, *first.secrets, *first.claims, *first.passed_through)
    documents = (*other_objects, *(compilation.workload for compilation in compilations))
    write_documents(documents, arguments.output)
    return SUCCEEDED


def _kube_version(text: str) -> KubeVersion:
    from monopod.compiler.pod.kube_version import KubeVersion  # noqa: PLC0415  # not needed for --help

    try:
        return KubeVersion.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
