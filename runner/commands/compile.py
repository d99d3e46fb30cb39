"""`monopod compile`: compile a Pipeline into the Pod that runs it, a Job or CronJob of that Pod, or several Pods."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from monopod.runner.commands.options.artifacts import add_artifact_option, chosen_repository
from monopod.runner.commands.options.backend import add_queue_options
from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compiler_options,
    duration,
    load_documents,
)
from monopod.runner.commands.options.shrinking import add_self_shrink_option
from monopod.runner.exit_codes import SUCCEEDED
from monopod.runner.garbage_collection import without_garbage_collection

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.compiler.documents.documents import Documents
    from monopod.compiler.options import Options
    from monopod.compiler.pod.indexed_job import Shards
    from monopod.compiler.pod.kube_version import KubeVersion

KINDS_OF_GROUPS = ("JobSet", "Workflow", "PipelineRun")

SUMMARY = "compile a Pipeline into one Pod and write it as YAML"

EXAMPLES = """\
  monopod compile -f pipeline.yaml > pod.yaml
  monopod compile -f pipeline.yaml -f tasks.yaml -p version=1.2 -w source=pvc:sources -o pod.yaml
  monopod compile -f pipeline.yaml --image-config images.json    (without a registry)
  compile-pipeline pipeline.yaml | kubectl create -f -
  monopod compile -f pipeline.yaml --kind Job --ttl 1h | kubectl create -f -
  monopod compile -f pipeline.yaml --kind Job --shard-by files --max-failed-indexes 3 -o job.yaml
  monopod compile -f pipeline.yaml --kind Job --queue team-a | kubectl create -f -
  monopod compile -f pipeline.yaml --kind Workflow --max-cpu 8 --max-memory 32Gi -o workflow.yaml
  monopod compile -f pipeline.yaml --kind JobSet --artifact-repository registry.example/team/artifacts -o jobset.yaml
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
        choices=("Pod", "Job", "CronJob", "PodTemplate", *KINDS_OF_GROUPS),
        default="Pod",
        help="the object to write: a Pod (the default), a Job, a CronJob or a PodTemplate; or, for groups of Tasks "
        "in Pods of their own, a JobSet, a Workflow (of Argo Workflows) or a PipelineRun (of Tekton)",
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
    _add_shard_options(parser)
    for resource in ("cpu", "memory"):
        parser.add_argument(
            f"--max-{resource}",
            metavar="QUANTITY",
            help=f"divide the Tasks into groups, each of which requests at most this {resource} at its peak (JobSet, "
            "Workflow, PipelineRun)",
        )
    add_artifact_option(parser)
    add_queue_options(parser)
    add_self_shrink_option(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")


def _add_shard_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="a Job with N indexes (an Indexed Job), each of which runs the Pipeline in a Pod of its own; Steps have "
        "JOB_COMPLETION_INDEX in their environment",
    )
    parser.add_argument(
        "--shard-by",
        metavar="PARAM",
        help="each index has its part of the values of this array param; without --shards, one value",
    )
    parser.add_argument(
        "--index-retries", type=int, metavar="N", help="run a failed index again up to N times (default: 0)"
    )
    parser.add_argument(
        "--max-failed-indexes",
        type=int,
        metavar="N",
        help="stop the Job once more than N indexes have failed (default: run all)",
    )
    parser.add_argument(
        "--success-count",
        type=int,
        metavar="N",
        help="the Job succeeds, and its other Pods are stopped, once N indexes have succeeded (default: all; "
        "Kubernetes 1.31)",
    )


@without_garbage_collection()
def execute(arguments: argparse.Namespace) -> int:
    """Write the Pod (or Job ...) of each run, after the other objects of the input. Raises Problems."""
    from monopod.compiler.pod.workload import Workload  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.problem_report import print_problems, warnings_of  # noqa: PLC0415
    from monopod.runner.files.written_documents import write_documents  # noqa: PLC0415

    options = {} if arguments.kube_version is None else {"kube_version": arguments.kube_version}
    shards = _shards(arguments)
    in_groups = arguments.kind in KINDS_OF_GROUPS
    workload = Workload(
        "Pod" if in_groups else arguments.kind,
        arguments.schedule,
        arguments.time_zone,
        arguments.ttl,
        shards=shards,
        queue=arguments.queue,
        priority_class=arguments.priority_class,
    )
    documents = load_documents(arguments)
    chosen = compiler_options(arguments, workload=workload, shrinks=arguments.shrink, **options)
    if in_groups:
        compilations = _in_groups(documents, chosen, arguments)
    else:
        _refuse_options_of_groups(arguments)
        compilations = _compiled(documents, chosen, shards)
    print_problems(warnings_of(compilations), sys.stderr)
    first = compilations[0]
    other_objects = (*first.config_maps, *first.secrets, *first.claims, *first.passed_through)
    objects = (*other_objects, *(compilation.workload for compilation in compilations))
    write_documents(objects, arguments.output)
    return SUCCEEDED


def _shards(arguments: argparse.Namespace) -> Shards | None:
    """Return the options of an Indexed Job, None for another object. Raises Problems."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.pod.indexed_job import Shards  # noqa: PLC0415

    if arguments.shards is None and arguments.shard_by is None:
        for option in ("index_retries", "max_failed_indexes", "success_count"):
            if getattr(arguments, option) is not None:
                message = f"--{option.replace('_', '-')} is for a Job with --shards or --shard-by"
                raise Problems([Problem(None, message, "workload")])
        return None
    retries = arguments.index_retries or 0
    return Shards(arguments.shards, arguments.shard_by, retries, arguments.max_failed_indexes, arguments.success_count)


def _compiled(documents: Documents, options: Options, shards: Shards | None) -> tuple[Compilation, ...]:
    if shards is None:
        from monopod.compiler.compilation import compile_runs  # noqa: PLC0415  # not needed for --help

        return compile_runs(documents, options)
    from monopod.compiler.shards import compile_shards  # noqa: PLC0415  # few Jobs have indexes

    return (compile_shards(documents, options, shards),)


def _in_groups(documents: Documents, options: Options, arguments: argparse.Namespace) -> tuple[Compilation, ...]:
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # few runs have groups
    from monopod.compiler.grouping.groups import compile_groups  # noqa: PLC0415
    from monopod.compiler.grouping.partition import Limit  # noqa: PLC0415

    if arguments.shrink is not None:
        message = f"--self-shrink is for a run in one Pod, not for --kind {arguments.kind}; leave it out"
        raise Problems([Problem(None, message, "workload")])
    limits = [Limit(resource, f"--max-{resource}", text) for resource, text in _limits(arguments)]
    options = replace(options, artifact_repository=chosen_repository(arguments.artifact_repository))
    return (compile_groups(documents, options, arguments.kind, limits),)


def _refuse_options_of_groups(arguments: argparse.Namespace) -> None:
    """Raise Problems for options that apply only to groups."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help

    given = [f"--max-{resource}" for resource, _ in _limits(arguments)]
    given += ["--artifact-repository"] if arguments.artifact_repository is not None else []
    for option in given:
        message = f"{option} is for --kind JobSet, Workflow and PipelineRun, not for {arguments.kind}"
        raise Problems([Problem(None, message, "workload")])


def _limits(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    given = (("cpu", arguments.max_cpu), ("memory", arguments.max_memory))
    return [(resource, text) for resource, text in given if text is not None]


def _kube_version(text: str) -> KubeVersion:
    from monopod.compiler.pod.kube_version import KubeVersion  # noqa: PLC0415  # not needed for --help

    try:
        return KubeVersion.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
