"""`monopod run`: run a Pipeline and follow it."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.breakpoints import add_breakpoint_options, breakpoints
from monopod.runner.commands.options.cluster import is_kubectl_plugin, program_name
from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compile_documents,
    duration,
    input_files,
)
from monopod.runner.commands.options.lines import add_line_options, line_options, without_line_options
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.secrets import add_secret_options
from monopod.runner.commands.options.selection import add_selection_options, selection
from monopod.runner.exit_codes import WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from monopod.compiler.compilation import Compilation
    from monopod.runner.backend import Backend
    from monopod.runner.files.fetch import Fetch
    from monopod.runner.repeating.compiled import Compiled

SUMMARY = "run a Pipeline and follow it to its end"

EXAMPLES = """\
  monopod run -f pipeline.yaml -p version=1.2
  monopod run -f pipeline.yaml -w source=.                (on your working tree, uncommitted files included)
  monopod run -f run.yaml -o json > finished-run.json     (save the PipelineRun with its status)
  monopod run -f pipeline.yaml --secret registry/password=env:PASSWORD    (see also .secrets, --secret-file)
  monopod run -f pipeline.yaml --backend podman           (in containers, from the Steps' images)
  monopod run -f pipeline.yaml --context prod -n ci       (in a cluster)
  monopod run -f pipeline.yaml --context prod --detach    (and return; see monopod attach, logs, status, cancel)
  monopod run -f pipeline.yaml --only unit-tests          (one Task; see also --from, --skip and --result)
  monopod run -f pipeline.yaml --pause-on-failure         (hold a Step that fails; see monopod shell, continue, fail)
  monopod run -f pipeline.yaml --junit junit.xml --trace trace.json
  monopod run -f pipeline.yaml --logs build --logs unit-tests/pytest     (show only this output, and failures)
  kubectl get pipeline build -o yaml | monopod run -f -

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 invalid input (nothing was run), 130 cancelled

On a terminal, output scrolls by above a live view of the Tasks. Otherwise monopod prints plain lines. NO_COLOR removes
the colours of both. In CI systems that fold their logs (GitHub Actions, GitLab, Azure Pipelines, Buildkite, TeamCity,
Travis CI), the output of each Task is folded.

Ctrl-C cancels the run (Tekton's Cancelled): running Steps are stopped, and finally Tasks do not run. A second Ctrl-C
kills the Steps immediately. `monopod cancel` cancels from another terminal, and in Tekton's other ways. A slow reader
never blocks the run. If the reader exits (`| head`), the run is cancelled and the exit code is 141.

If the files define several runs, they run one after another, in order, even if one fails. After a cancelled run, the
remaining runs are not started."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    add_selection_options(parser)
    add_breakpoint_options(parser)
    add_secret_options(parser)
    add_output_option(
        parser,
        ("json", "yaml", "name"),
        "human (the default); json or yaml: print only the finished PipelineRun (several runs: a List); name: "
        "print only the name of each run. Everything else then goes to standard error",
    )
    add_line_options(parser)
    parser.add_argument("--junit", metavar="FILE", help="write the result to FILE as JUnit XML")
    parser.add_argument("--trace", metavar="FILE", help="write the run to FILE as OpenTelemetry spans (OTLP JSON)")
    parser.add_argument(
        "--no-record", action="store_true", help="do not record the run for `monopod runs`, `report` and `explain`"
    )
    parser.add_argument(
        "--keep",
        choices=("always", "on-failure", "never"),
        help="when to keep the files of the run, or its Pod in a cluster, and print where they are (default: "
        "on-failure in a cluster, never on this machine, which has no on-failure)",
    )
    parser.add_argument(
        "--fetch",
        action="append",
        default=[],
        dest="fetches",
        type=_fetch,
        metavar="WORKSPACE[/PATH]:DIR",
        help="copy files from a Workspace to DIR after the run, even if it failed (repeatable). PATH is a file or a "
        "directory (default: everything); DIR is created if it is missing",
    )
    parser.add_argument(
        "--include-ignored",
        action="store_true",
        help="copy all files of a folder to its Workspace, including what .gitignore and .dockerignore exclude "
        "(kubernetes only; other backends mount the folder)",
    )
    _add_backend_options(parser)
    parser.set_defaults(repeated=None, recorded={}, words=None)  # `monopod rerun` sets them
    parser.set_defaults(given_secrets=frozenset())  # the names, once the Secrets are read


def _add_backend_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the Pod runs."""
    parser.add_argument(
        "--backend",
        choices=("host", "podman", "kubernetes"),
        help="where to run the Steps: host (the default) is this machine, without the Steps' images; podman runs "
        "containers on this machine; kubernetes runs a Pod in a cluster, and is the default of `kubectl monopod`",
    )
    parser.add_argument(
        "--network", metavar="NETWORK", help="the network of the Pod (podman only): host, none, or a podman network"
    )
    parser.add_argument(
        "--context", metavar="CONTEXT", help="run in the cluster of this kubectl context (implies kubernetes)"
    )
    parser.add_argument(
        "--detach", action="store_true", help="create the Pod, print its name, and return (kubernetes only)"
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        metavar="DURATION",
        help="create a Job, which the cluster deletes this long after its end, such as 1h (kubernetes only)",
    )
    parser.add_argument(
        "--start-timeout",
        type=duration,
        metavar="DURATION",
        help="how long a container may fail to start before its Task or the run fails (kubernetes only, default: 5m). "
        "Examples: an image that cannot be pulled, a Pod that fits no node. A Task that is already running fails as "
        "soon as kubelet reports the error",
    )


def _fetch(text: str) -> Fetch:
    """Return what ``--fetch`` means. Raises ArgumentTypeError, which argparse reports."""
    from monopod.runner.files.fetch import parse_fetch  # noqa: PLC0415  # not needed for --help

    try:
        return parse_fetch(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def execute(arguments: argparse.Namespace) -> int:
    """Run one Pod for each run and return the exit code. Raises Problems."""
    is_in_cluster = arguments.context is not None or is_kubectl_plugin()
    chosen = arguments.backend or ("kubernetes" if is_in_cluster else "host")
    problem = _misplaced_option(arguments, chosen)
    if problem is not None:
        print(visible_lines(f"monopod run: {problem}"), file=sys.stderr)
        return WRONG_INPUT
    return {"host": _run_on_host, "podman": _run_with_podman, "kubernetes": _run_in_cluster}[chosen](arguments)


def _misplaced_option(arguments: argparse.Namespace, backend: str) -> str | None:
    """Return a message about an option that does not apply to this backend; None if all options do."""
    of_kubernetes = ("context", "detach", "ttl", "start_timeout", "include_ignored")
    for option in (*of_kubernetes, "network"):
        required = "kubernetes" if option in of_kubernetes else "podman"
        if getattr(arguments, option) not in (None, False) and backend != required:
            return f"--{option.replace('_', '-')} applies only to --backend {required}, not to {backend}"
    if arguments.keep == "on-failure" and backend != "kubernetes":
        return f"--keep on-failure applies only to --backend kubernetes, not to {backend}"
    if arguments.detach and arguments.output in ("json", "yaml"):
        return f"--detach does not support -o {arguments.output}; use monopod status POD -o {arguments.output} later"
    if arguments.detach and (arguments.junit or arguments.trace):
        return "--detach does not support --junit and --trace, which need the finished run"
    if arguments.detach and arguments.fetches:
        return "--detach does not support --fetch, because the Pod ends with its run; leave --detach out"
    return None


_ON_THIS_MACHINE: dict[str, Any] = {"log_format": "json", "local": True, "folders": "mounted"}


def _default_cache_store(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the compiler option for the store of caches on this machine; none if it cannot be made."""
    from monopod.compiler.caches.store_option import CacheStore  # noqa: PLC0415  # not needed for --help
    from monopod.runner.caches.default_store import can_be_made, default_directory  # noqa: PLC0415

    directory = default_directory(input_files(arguments))
    return {"default_cache_store": CacheStore("directory", (directory,))} if can_be_made(directory) else {}


def _prepare_cache_stores(compilations: Iterable[Compilation]) -> None:
    """Make the directories of caches. Raises Problems."""
    directories = {compilation.cache_directory for compilation in compilations} - {""}
    if directories:
        from monopod.runner.caches.directory_stores import prepare_stores  # noqa: PLC0415  # needed only with caches

        if problems := prepare_stores(directories):
            from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415

            raise Problems([Problem(None, problem, "invalid-value") for problem in problems])


def _fetched(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the compiler option for the Workspaces from which files are fetched."""
    return {"fetched": tuple(dict.fromkeys(fetch.workspace for fetch in arguments.fetches))}


def _compile(
    arguments: argparse.Namespace, further: Callable[[], Mapping[str, Any]] = dict, **options: Any
) -> Compiled:
    """Compile the selected Tasks of the runs, or of the recorded run that is repeated. Raises Problems."""
    from monopod.runner.repeating.compiled import Compiled  # noqa: PLC0415  # not needed for --help

    options["breakpoints"] = breakpoints(arguments)
    if arguments.repeated is not None:
        from monopod.runner.repeating.compiling import compile_again  # noqa: PLC0415  # only for `monopod rerun`

        return compile_again(arguments, arguments.repeated, further, **options)
    return Compiled(compile_documents(arguments, further, selection=selection(arguments), **options))


def _run_on_host(arguments: argparse.Namespace) -> int:
    from monopod.compiler.pod.kube_version import WITH_RESTART_RULES  # noqa: PLC0415  # not needed for --help
    from monopod.runner.host.backend import HostBackend  # noqa: PLC0415

    options = {**_fetched(arguments), **_named("default"), **_ON_THIS_MACHINE, "uses_images": False}
    options |= _default_cache_store(arguments)
    compiled = _compile(arguments, **options, kube_version=WITH_RESTART_RULES)
    _prepare_cache_stores(compiled.compilations)
    return _run(arguments, compiled, HostBackend())


def _run_with_podman(arguments: argparse.Namespace) -> int:
    from monopod.compiler.pod.kube_version import WITHOUT_NATIVE_SIDECARS  # noqa: PLC0415  # not needed for --help
    from monopod.runner.podman.backend import PodmanBackend  # noqa: PLC0415

    compiled = _compile(
        arguments,
        **_fetched(arguments),
        **_named("default"),
        **_ON_THIS_MACHINE,
        **_default_cache_store(arguments),
        kube_version=WITHOUT_NATIVE_SIDECARS,
    )
    _prepare_cache_stores(compiled.compilations)
    return _run(arguments, compiled, PodmanBackend(arguments.network))


def _run_in_cluster(arguments: argparse.Namespace) -> int:
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.discovery import Discovery  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            discovery = Discovery(cluster, arguments.namespace)  # the cluster answers while the rest is imported
            from monopod.runner.kubernetes.backend import KubernetesBackend  # noqa: PLC0415
            from monopod.runner.kubernetes.claims_in_use import free_claim  # noqa: PLC0415

            options = {
                **_fetched(arguments),
                **_named(cluster.namespace),
                "log_format": "json",
                "context": arguments.context,
                "folders": "copied",
                "free_claim": partial(free_claim, cluster),
            }
            if arguments.ttl is not None:
                from monopod.compiler.pod.workload import Workload  # noqa: PLC0415

                options["workload"] = Workload("Job", ttl=arguments.ttl)
            compiled = _compile(arguments, discovery.compiler_options, **options)
            backend = KubernetesBackend(
                cluster,
                arguments.start_timeout,
                makes_jobs=arguments.ttl is not None,
                keeps_failed=arguments.keep in (None, "on-failure"),
                include_ignored=arguments.include_ignored,
                given_secrets=arguments.given_secrets,
            )
            if arguments.detach:
                from monopod.runner.kubernetes.detached import start_pods  # noqa: PLC0415

                return start_pods(compiled.compilations, backend, arguments.output)
            return _run(arguments, compiled, backend)
    except BackendUnavailableError as error:
        print(visible_lines(f"monopod run: {error}"), file=sys.stderr)
        return WRONG_INPUT


def _named(default_namespace: str) -> dict[str, Any]:
    """Return compiler options that fix the name and namespace of each run before its Pod is created."""
    from monopod.compiler.scope.run_names import generated_name  # noqa: PLC0415  # not needed for --help

    return {"new_name": generated_name, "default_namespace": default_namespace}


def _run(arguments: argparse.Namespace, compiled: Compiled, backend: Backend) -> int:
    from monopod.runner.records.store import records_root  # noqa: PLC0415  # not needed for --help
    from monopod.runner.repeating.compiled import repetitions  # noqa: PLC0415
    from monopod.runner.reports.run_reports import run_reports  # noqa: PLC0415
    from monopod.runner.run_options import Options  # noqa: PLC0415
    from monopod.runner.run_pods import run_pods  # noqa: PLC0415

    compilations = compiled.compilations
    lines = line_options(arguments, [compilation.plan for compilation in compilations])
    records = None if arguments.no_record else records_root()
    files = tuple(input_files(arguments))
    with contextlib.ExitStack() as stack:
        try:
            report_files = {"junit": arguments.junit, "trace": arguments.trace}
            reports = stack.enter_context(run_reports(report_files, records))
        except OSError as error:
            print(visible_lines(f"monopod run: {error.filename}: {error.strerror}"), file=sys.stderr)
            return WRONG_INPUT
        command_line = [*program_name(), *without_line_options(sys.argv[1:])]

        def more(task: str, step: str, _container: str) -> str:
            return shlex.join([*command_line, "--logs", f"{task}/{step}"])

        is_repeatable = "-" not in files
        options = Options(
            arguments.output,
            arguments.keep == "always",
            reports.records,
            files,
            reports.write,
            lines,
            more if is_repeatable else None,
            tuple(arguments.fetches),
            () if records is None else repetitions(arguments, files, compiled),
        )
        exit_code = run_pods(compilations, backend, options)
        return exit_code or int(reports.failed)
