"""`monopod run`: run a Pipeline and follow it."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.backend import UsageError, add_backend_options, chosen_backend
from monopod.runner.commands.options.breakpoints import add_breakpoint_options, breakpoints
from monopod.runner.commands.options.cluster import program_name
from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    ask_for_params,
    compile_documents,
    input_files,
    load_documents,
)
from monopod.runner.commands.options.lines import add_line_options, line_options, without_line_options
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.params import words_of, words_of_project
from monopod.runner.commands.options.project import keep_of, name_of_run, namespace_of
from monopod.runner.commands.options.secrets import add_secret_options
from monopod.runner.commands.options.selection import add_selection_options, selection
from monopod.runner.commands.options.shrinking import add_shrink_options, shrink_option
from monopod.runner.exit_codes import CANCELLED, SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from monopod.compiler.compilation import Compilation
    from monopod.compiler.diagnostics import Problem
    from monopod.runner.backend import Backend
    from monopod.runner.files.fetch import Fetch
    from monopod.runner.repeating.compiled import Compiled
    from monopod.runner.run_options import Options

SUMMARY = "run a Pipeline and follow it to its end"

EXAMPLES = """\
  monopod run                                             (what the project has: .tekton, pipeline.yaml, monopod.yaml)
  monopod run -f pipeline.yaml -p version=1.2
  monopod run -f pipeline.yaml -w source=.                (on your working tree, uncommitted files included)
  monopod run -f run.yaml -o json > finished-run.json     (save the PipelineRun with its status)
  monopod run -f pipeline.yaml --secret registry/password=env:PASSWORD    (see also .secrets, --secret-file)
  monopod run -f pipeline.yaml --backend podman           (in containers, from the Steps' images)
  monopod run -f pipeline.yaml --context prod -n ci       (in a cluster)
  monopod run -f pipeline.yaml --context prod --detach    (and return; see monopod attach, logs, status, cancel)
  monopod run -f pipeline.yaml --only unit-tests          (one Task; see also --from, --skip and --result)
  monopod run -f pipeline.yaml --pause-on-failure         (hold a Step that fails; see monopod shell, continue, fail)
  monopod run -f pipeline.yaml --dry-run                  (print what would run)
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
does not block the run until 1 GiB of output is unread. If the reader exits (`| head`), the run is cancelled and the
exit code is 141.

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
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would run: Tasks in order, params, Workspaces, the backend; run nothing",
    )
    add_backend_options(parser)
    add_shrink_options(parser)
    parser.set_defaults(repeated=None, recorded={}, words=None, may_ask=True, asked=[])  # `monopod rerun` sets them
    parser.set_defaults(given_secrets=frozenset())  # the names, once the Secrets are read


def _fetch(text: str) -> Fetch:
    """Return what ``--fetch`` means. Raises ArgumentTypeError, which argparse reports."""
    from monopod.runner.files.fetch import parse_fetch  # noqa: PLC0415  # not needed for --help

    try:
        return parse_fetch(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def execute(arguments: argparse.Namespace) -> int:
    """Run one Pod for each run and return the exit code. Raises Problems."""
    try:
        chosen = chosen_backend(arguments)
    except UsageError as error:
        return _refuse(str(error))
    if arguments.repeated is None:
        ask_for_params(arguments)
        arguments.words = (*words_of_project(arguments), *words_of(arguments.asked), *sys.argv[2:])
    runners = {
        "auto": _run_where_possible,
        "host": _run_on_host,
        "podman": _run_with_podman,
        "kubernetes": _run_in_cluster,
    }
    return runners[chosen](arguments)


def _refuse(message: str) -> int:
    print(visible_lines(f"monopod run: {message}"), file=sys.stderr)
    return WRONG_INPUT


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


def _run_where_possible(arguments: argparse.Namespace) -> int:
    """Run with podman if it works here and has all images or can pull them, else on the host; say which, and why."""
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415  # not needed for --help
    from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError  # noqa: PLC0415
    from monopod.runner.podman.command import ask_why_unusable, is_installed, why_unusable  # noqa: PLC0415

    shown_warnings: list[Problem] = []
    reason = None if is_installed() else why_unusable()
    if reason is None:
        answer = ask_why_unusable()  # while the documents are read and compiled
        try:
            return _run_with_podman(arguments, shown_warnings, answer)
        except (BackendUnavailableError, PodRefusedError) as error:
            reason = str(error).splitlines()[0]
        except Problems as problems:  # the host backend reports its own, unless only podman has them
            reason = f"podman cannot run it: {problems.problems[0]}"
    notice = f"Backend host ({reason}): Steps run with this machine's programs, not in their images. {_HOW_TO_CHOOSE}"
    return _run_on_host(arguments, visible_lines(notice), shown_warnings)


_HOW_TO_CHOOSE = "Choose with --backend."


def _run_on_host(
    arguments: argparse.Namespace, notice: str | None = None, shown_warnings: Sequence[Problem] = ()
) -> int:
    from monopod.compiler.pod.kube_version import WITH_RESTART_RULES  # noqa: PLC0415  # not needed for --help
    from monopod.runner.host.backend import NOTICE, HostBackend  # noqa: PLC0415

    options = {**_fetched(arguments), **_named("default"), **_ON_THIS_MACHINE, "uses_images": False}
    options |= _default_cache_store(arguments)
    compiled = _compile(arguments, **options, kube_version=WITH_RESTART_RULES)
    _prepare_cache_stores(compiled.compilations)
    return _run(arguments, compiled, HostBackend(NOTICE if notice is None else notice), shown_warnings=shown_warnings)


def _run_with_podman(
    arguments: argparse.Namespace,
    shown_warnings: list[Problem] | None = None,
    why_unusable: Callable[[], str | None] = lambda: None,
) -> int:
    """Run with podman.

    With a list for the warnings that were shown, another backend can be used instead: raises BackendUnavailableError
    or PodRefusedError if podman cannot run the Pod, also for the reason that `why_unusable` returns.
    """
    from monopod.compiler.pod.kube_version import WITHOUT_NATIVE_SIDECARS  # noqa: PLC0415  # not needed for --help
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.problem_report import warnings_of  # noqa: PLC0415
    from monopod.runner.podman.backend import PodmanBackend  # noqa: PLC0415

    compiled = _compile(
        arguments,
        **_fetched(arguments),
        **_named("default"),
        **_ON_THIS_MACHINE,
        **_default_cache_store(arguments),
        kube_version=WITHOUT_NATIVE_SIDECARS,
    )
    reason = why_unusable()
    if reason is not None:
        raise BackendUnavailableError(reason)
    _prepare_cache_stores(compiled.compilations)
    if shown_warnings is None:
        return _run(arguments, compiled, PodmanBackend(arguments.network))
    if not _provide_images(arguments, compiled):
        print("monopod run: cancelled before it was started", file=sys.stderr)
        return CANCELLED
    shown_warnings += warnings_of(compiled.compilations)
    return _run(arguments, compiled, PodmanBackend(arguments.network), falls_back=True)


def _provide_images(arguments: argparse.Namespace, compiled: Compiled) -> bool:
    """Say that podman runs the Pods, and pull the images that are missing; return False after Ctrl-C.

    Raises BackendUnavailableError if an image is missing and cannot be pulled.
    """
    from monopod.runner.podman.availability import missing_images, pull  # noqa: PLC0415  # only for this backend
    from monopod.runner.podman.command import InterruptedPodmanError  # noqa: PLC0415

    def show(text: str) -> None:
        print(visible_lines(text), file=sys.stderr, flush=True)

    missing = missing_images(compilation.pod for compilation in compiled.compilations)
    reason = f"it pulls {len(missing)} image{'s' * (len(missing) > 1)} first" if missing else "all images are here"
    if missing or not arguments.quiet:
        show(f"Backend podman ({reason}): Steps run in containers. {_HOW_TO_CHOOSE}")
    try:
        pull(() if arguments.dry_run else missing, show)
    except InterruptedPodmanError:
        return False
    return True


_NO_RESIZE = "Ignoring {}: the cluster cannot change the requests of a running Pod; Kubernetes 1.33 and later can."


def _run_in_cluster(arguments: argparse.Namespace) -> int:
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.discovery import Discovery  # noqa: PLC0415

    try:
        with connect(arguments.context) as cluster:
            # the cluster answers while the rest is imported
            discovery = Discovery(cluster, namespace_of(arguments), shrinks=arguments.shrink)
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
            if arguments.ttl is not None or arguments.queue is not None or arguments.priority_class is not None:
                from monopod.compiler.pod.workload import Workload  # noqa: PLC0415

                options["workload"] = Workload(
                    "Pod" if arguments.ttl is None else "Job",
                    ttl=arguments.ttl,
                    queue=arguments.queue,
                    priority_class=arguments.priority_class,
                )
            if arguments.keep is None and keep_of(arguments) == "always":
                arguments.keep_volume_claims = True
            if arguments.repeated is not None:
                from monopod.runner.kubernetes.kept_claims import present  # noqa: PLC0415

                namespace = namespace_of(arguments) or cluster.namespace
                kept = present(cluster, namespace, arguments.repeated.kept)
                arguments.repeated = replace(arguments.repeated, kept=kept)
            compiled = _compile(arguments, discovery.compiler_options, **options)
            if arguments.shrink is not None and not discovery.can_shrink:
                print(_NO_RESIZE.format(shrink_option(arguments)), file=sys.stderr)
            backend = KubernetesBackend(
                cluster,
                arguments.start_timeout,
                makes_jobs=arguments.ttl is not None,
                keeps_failed=keep_of(arguments) in (None, "on-failure"),
                include_ignored=arguments.include_ignored,
                given_secrets=arguments.given_secrets,
            )
            if arguments.detach and not arguments.dry_run:
                from monopod.runner.kubernetes.detached import start_pods  # noqa: PLC0415

                return start_pods(compiled.compilations, backend, _options_of_detached(arguments, compiled))
            return _run(arguments, compiled, backend)
    except BackendUnavailableError as error:
        return _refuse(str(error))


def _options_of_detached(arguments: argparse.Namespace, compiled: Compiled) -> Options:
    from monopod.runner.records.store import records_root  # noqa: PLC0415  # not needed for --help
    from monopod.runner.repeating.compiled import repetitions  # noqa: PLC0415
    from monopod.runner.run_options import Options  # noqa: PLC0415

    files = tuple(input_files(arguments))
    if arguments.no_record:
        return Options(arguments.output, keep=True, files=files)
    repeated_by = repetitions(arguments, files, compiled)
    return Options(arguments.output, keep=True, records=records_root(), files=files, repetitions=repeated_by)


def _named(default_namespace: str) -> dict[str, Any]:
    """Return compiler options that fix the name and namespace of each run before its Pod is created."""
    from monopod.compiler.scope.run_names import generated_name  # noqa: PLC0415  # not needed for --help

    return {"new_name": generated_name, "default_namespace": default_namespace}


def _show_runs(arguments: argparse.Namespace, compiled: Compiled, backend: Backend) -> int:
    """Print what would run, and return the exit code."""
    from monopod.compiler.documents.run_selection import declared_params  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.problem_report import print_problems, warnings_of  # noqa: PLC0415
    from monopod.runner.reports.dry_run import describe_run  # noqa: PLC0415

    print_problems(warnings_of(compiled.compilations), sys.stderr)
    if backend.notice:
        print(backend.notice, file=sys.stderr)
    declared = declared_params(load_documents(arguments), name_of_run(arguments))
    for compilation, specs in zip(compiled.compilations, declared, strict=True):
        sys.stdout.write(describe_run(compilation, specs, backend.name))
    return SUCCEEDED


def _run(arguments: argparse.Namespace, compiled: Compiled, backend: Backend, **options: Any) -> int:
    """Run compiled Pods, or show what would run; `options` are further ones of `run_pods`."""
    if arguments.dry_run:
        return _show_runs(arguments, compiled, backend)
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
            return _refuse(f"{error.filename}: {error.strerror}")
        command_line = [*program_name(), *without_line_options(sys.argv[1:])]

        def more(task: str, step: str, _container: str) -> str:
            return shlex.join([*command_line, "--logs", f"{task}/{step}"])

        is_repeatable = "-" not in files
        run_options = Options(
            arguments.output,
            keep_of(arguments) == "always",
            reports.records,
            files,
            reports.write,
            lines,
            more if is_repeatable else None,
            tuple(arguments.fetches),
            () if records is None else repetitions(arguments, files, compiled),
            **options,
        )
        exit_code = run_pods(compilations, backend, run_options)
        return exit_code or int(reports.failed)
