"""`monopod run`: run a Pipeline and follow it."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.cluster import is_kubectl_plugin, program
from monopod.runner.commands.options.input import add_file_options, add_run_options, compile_documents, duration
from monopod.runner.commands.options.lines import add_line_options, line_options, without_line_options
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monopod.compiler.compilation import Compilation
    from monopod.runner.backend import Backend

SUMMARY = "run a Pipeline and follow it to its end"

EXAMPLES = """\
  monopod run -f pipeline.yaml -p version=1.2
  monopod run -f pipeline.yaml -w source=hostPath:.       (on the files as they are, uncommitted ones too)
  monopod run -f run.yaml -o json > finished-run.json     (the PipelineRun with its status)
  monopod run -f pipeline.yaml --backend podman           (in containers, with the Steps' images)
  monopod run -f pipeline.yaml --context prod -n ci       (in a cluster)
  monopod run -f pipeline.yaml --context prod --detach    (and leave it there: monopod attach, logs, status, cancel)
  monopod run -f pipeline.yaml --junit junit.xml --trace trace.json
  monopod run -f pipeline.yaml --logs build --logs unit-tests/pytest     (of all output, only this)
  kubectl get pipeline build -o yaml | monopod run -f -

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 the input is wrong (nothing was run), 130 cancelled

On a terminal the output scrolls by above a view of the run; elsewhere, and with NO_COLOR, it is plain lines. In the
log of a CI system that folds (GitHub Actions, GitLab, Azure Pipelines, Buildkite, TeamCity, Travis CI), each Task has
a fold of its own.

Ctrl-C cancels (Tekton's Cancelled): the Steps that run are asked to stop, and finally Tasks do not run. A second Ctrl-C
kills them at once. To cancel in Tekton's other ways, or from elsewhere, see `monopod cancel --help`. A slow
reader of the output holds up nothing; one who goes away (`| head`) cancels too, and then the exit code is 141.

Several runs in the files are made one after another, in the order given, also if one fails. Once one is cancelled, the
rest is not started."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        choices=("human", "json", "yaml", "name"),
        default="human",
        help="human (the default); json or yaml: only the finished PipelineRun on standard output (if the files hold "
        "several, a List); name: only the name of each run; all else then goes to standard error",
    )
    add_line_options(parser)
    parser.add_argument("--junit", metavar="FILE", help="write the result as JUnit XML, for systems that show tests")
    parser.add_argument("--trace", metavar="FILE", help="write what ran when as OpenTelemetry spans, in OTLP JSON")
    parser.add_argument(
        "--no-record", action="store_true", help="keep no record of the run for `monopod runs`, `report` and `explain`"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the files of the run, or its Pod, where they are, and say where"
    )
    parser.add_argument(
        "--backend",
        choices=("host", "podman", "kubernetes"),
        help="where to run: host is this machine, and the default; podman runs containers with the Steps' images; "
        "kubernetes runs a Pod in a cluster, and is the default of `kubectl monopod`",
    )
    parser.add_argument(
        "--network", metavar="NETWORK", help="with podman: the Pod's network, such as host, none or one of podman's"
    )
    parser.add_argument("--context", metavar="CONTEXT", help="the context of kubectl to run in; implies kubernetes")
    parser.add_argument(
        "--detach", action="store_true", help="in a cluster: create the Pod, say what it is called, and leave it there"
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        metavar="DURATION",
        help="in a cluster: let a Job make the Pod, and the cluster remove both that long after the end, such as 1h",
    )
    parser.add_argument(
        "--start-timeout",
        type=duration,
        metavar="DURATION",
        help="in a cluster: how long it may last that an image cannot be pulled, no node takes the Pod, or something "
        "else keeps a container from starting, before that fails the Task or the run (default: 5m; a Task that "
        "runs fails as soon as kubelet has tried and failed)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the Pods, one for each run, and return the exit code. Raises Problems."""
    is_in_cluster = arguments.context is not None or is_kubectl_plugin()
    chosen = arguments.backend or ("kubernetes" if is_in_cluster else "host")
    problem = _misplaced_option(arguments, chosen)
    if problem is not None:
        print(visible_lines(f"monopod run: {problem}"), file=sys.stderr)
        return 2
    return {"host": _run_on_host, "podman": _run_with_podman, "kubernetes": _run_in_cluster}[chosen](arguments)


def _misplaced_option(arguments: argparse.Namespace, backend: str) -> str | None:
    """Return which option is for another backend, in words."""
    of_kubernetes = ("context", "detach", "ttl", "start_timeout")
    for option in (*of_kubernetes, "network"):
        its_own = "kubernetes" if option in of_kubernetes else "podman"
        if getattr(arguments, option) not in (None, False) and backend != its_own:
            return f"--{option.replace('_', '-')} is for the backend {its_own}, not for {backend}"
    if arguments.detach and arguments.output in ("json", "yaml"):
        return f"--detach knows no finished run for -o {arguments.output}; see monopod status POD -o {arguments.output}"
    if arguments.detach and (arguments.junit or arguments.trace):
        return "--detach knows no finished run for --junit and --trace"
    return None


def _run_on_host(arguments: argparse.Namespace) -> int:
    from monopod.runner.host.backend import HostBackend  # noqa: PLC0415  # not needed for --help

    compilations = compile_documents(arguments, **_named("default"), log_format="json", local=True)
    return _run(arguments, compilations, HostBackend())


def _run_with_podman(arguments: argparse.Namespace) -> int:
    from monopod.compiler.pod.kube_version import WITHOUT_NATIVE_SIDECARS  # noqa: PLC0415  # not needed for --help
    from monopod.runner.podman.backend import PodmanBackend  # noqa: PLC0415

    compilations = compile_documents(
        arguments, **_named("default"), log_format="json", local=True, kube_version=WITHOUT_NATIVE_SIDECARS
    )
    return _run(arguments, compilations, PodmanBackend(arguments.network))


def _run_in_cluster(arguments: argparse.Namespace) -> int:
    from monopod.compiler.pod.workload import Workload  # noqa: PLC0415  # not needed for --help
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415
    from monopod.runner.kubernetes.backend import KubernetesBackend  # noqa: PLC0415
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.detached import start_pods  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            options = {
                **_named(cluster.namespace),
                "log_format": "json",
                "kube_version": cluster.version(),
                "context": arguments.context,
                "limit_ranges": cluster.limit_ranges(arguments.namespace),
            }
            if arguments.ttl is not None:
                options["workload"] = Workload("Job", ttl=arguments.ttl)
            compilations = compile_documents(arguments, **options)
            backend = KubernetesBackend(cluster, arguments.start_timeout, makes_jobs=arguments.ttl is not None)
            if arguments.detach:
                return start_pods(compilations, backend, arguments.output)
            return _run(arguments, compilations, backend)
    except BackendUnavailableError as error:
        print(visible_lines(f"monopod run: {error}"), file=sys.stderr)
        return 2


def _named(default_namespace: str) -> dict[str, Any]:
    """Return compiler options with which a run knows its name and its namespace before its Pod is made."""
    from monopod.compiler.scope.run_names import generated_name  # noqa: PLC0415  # not needed for --help

    return {"new_name": generated_name, "default_namespace": default_namespace}


def _run(arguments: argparse.Namespace, compilations: Sequence[Compilation], backend: Backend) -> int:
    from monopod.runner.records.store import records_root  # noqa: PLC0415  # not needed for --help
    from monopod.runner.reports.run_reports import run_reports  # noqa: PLC0415
    from monopod.runner.run_pods import Options, run_pods  # noqa: PLC0415

    lines = line_options(arguments, [each.plan for each in compilations])
    records = None if arguments.no_record else records_root()
    files = (*arguments.files, *arguments.more_files)
    with contextlib.ExitStack() as stack:
        try:
            wanted = {"junit": arguments.junit, "trace": arguments.trace}
            reports = stack.enter_context(run_reports(wanted, records))
        except OSError as error:
            print(visible_lines(f"monopod run: {error.filename}: {error.strerror}"), file=sys.stderr)
            return 2
        again = [*program(), *without_line_options(sys.argv[1:])]

        def more(task: str, step: str, _container: str) -> str:
            return shlex.join([*again, "--logs", f"{task}/{step}"])

        is_repeatable = "-" not in files
        options = Options(
            arguments.output,
            arguments.keep,
            reports.records,
            files,
            reports.write,
            lines,
            more if is_repeatable else None,
        )
        exit_code = run_pods(compilations, backend, options)
        return exit_code or int(reports.failed)
