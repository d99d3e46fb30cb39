"""The options that select and configure what to run: files, params, Workspaces, the namespace.

Files are passed with ``-f``, as with kubectl, or as plain arguments, so that ``-f *.yaml`` works as it looks.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.asking import ask_param, can_ask, choose
from monopod.runner.commands.options.caches import add_cache_option, chosen_cache_store
from monopod.runner.commands.options.params import add_params, file_params, name_and_value, params_of
from monopod.runner.commands.options.parsed import argument
from monopod.runner.commands.options.project import (
    files_of_project,
    name_of_run,
    names_files,
    namespace_of,
    workspaces_of,
)
from monopod.runner.commands.options.references import add_resolve_option, local_sources
from monopod.runner.commands.options.secrets import report_unused_secrets, with_given_secrets
from monopod.runner.garbage_collection import without_garbage_collection
from monopod.schemas.formats.utf8 import checked_utf8
from monopod.schemas.formats.whole_numbers import positive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monopod.compiler.compilation import Compilation
    from monopod.compiler.documents.documents import Documents
    from monopod.compiler.options import Options


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-f FILE``, plain FILE arguments, and ``--name``."""
    add_files(parser)
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="the run, Pipeline or Task to use if the files define several: its name or generateName (default: all "
        "PipelineRuns and TaskRuns, one after another)",
    )


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add ``-f FILE`` and plain FILE arguments."""
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        dest="files",
        metavar="FILE",
        help="YAML or JSON to read: a file, a directory (its .yaml, .yml and .json files) or - for standard input "
        "(repeatable)",
    )
    parser.add_argument("more_files", nargs="*", metavar="FILE", help="the same as -f FILE")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that complete a Pipeline: params, Workspaces, limits, images."""
    add_params(parser)
    _add_binding_options(parser)
    _add_pod_options(parser)


def add_workspaces(parser: argparse.ArgumentParser) -> None:
    """Add ``-w NAME=BINDING``."""
    parser.add_argument(
        "-w",
        "--workspace",
        action="append",
        default=[],
        dest="workspaces",
        type=_binding,
        metavar="NAME=BINDING",
        help="bind a Workspace (repeatable): a folder of this machine (., ./DIR, /DIR), emptyDir, pvc:CLAIM, "
        "hostPath:DIRECTORY, secret:NAME or configMap:NAME; or as in tkn: name=NAME,claimName=CLAIM",
    )


def _add_binding_options(parser: argparse.ArgumentParser) -> None:
    add_workspaces(parser)
    parser.add_argument(
        "--view",
        action="append",
        default=[],
        dest="views",
        type=view,
        metavar="TASK/WORKSPACE[=POLICY]",
        help="give a Task a private view of a Workspace, by the Task's own name of it (repeatable): a copy that is "
        "merged back after the Task (merge, the default), kept in a directory with the Task's name (directory) or "
        "discarded (discard)",
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="DURATION",
        help="the timeout of the whole run, such as 90s or 1h30m; 0 means no timeout",
    )
    parser.add_argument(
        "--max-concurrency",
        type=positive_number,
        metavar="NUMBER",
        help="how many combinations of a matrix may run in parallel",
    )
    parser.add_argument(
        "--max-parallel",
        type=positive_number,
        metavar="NUMBER",
        help="how many Tasks of the whole run may run in parallel; each combination of a matrix counts",
    )
    packing = parser.add_mutually_exclusive_group()
    packing.add_argument(
        "--pack",
        action="store_const",
        const="true",
        help="let Steps that cannot overlap share a container and its root file system, so that the Pod starts "
        "sooner; without it, only Steps with a read-only root file system do",
    )
    packing.add_argument(
        "--pack-workspaces",
        action="store_const",
        const="workspaces",
        dest="pack",
        help="as --pack, also where Steps of a Task mount different Workspaces of it",
    )
    packing.add_argument(
        "--no-pack", action="store_const", const="false", dest="pack", help="give each Step a container of its own"
    )


def _add_pod_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-volume-claims",
        action="store_true",
        help="turn each volumeClaimTemplate into a generic ephemeral volume (a claim that the cluster creates and "
        "deletes with the Pod) instead of an emptyDir. Use it for a storage class, a snapshot, or more storage than a "
        "node has",
    )
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", help="the namespace of the Pod")
    parser.add_argument(
        "--pod-security",
        choices=("restricted",),
        metavar="PROFILE",
        help="make the Pod comply with a profile of the Pod Security Standards (restricted). Missing fields are filled "
        "in; fields that the profile forbids are errors",
    )
    parser.add_argument(
        "--runtime-image",
        type=argument(checked_utf8),
        metavar="IMAGE",
        help="the image of the coordinator: any image with Python 3.11 or later as python3 (default: "
        "docker.io/library/python:3.13-alpine)",
    )
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        dest="architectures",
        type=_architectures,
        metavar="ARCH[,ARCH...]",
        help="the architectures of the nodes that the Pod may run on: amd64, arm64, arm, ppc64le, riscv64, s390x "
        "(repeatable; default: the nodeSelector's kubernetes.io/arch, else amd64 and arm64)",
    )
    parser.add_argument(
        "--image-config",
        action="append",
        default=[],
        dest="image_configs",
        metavar="FILE",
        help="read ENTRYPOINT and CMD of images from FILE instead of asking podman, docker or the registry "
        "(repeatable). Steps and Sidecars without command and script need them. FILE is the output of `podman image "
        "inspect` or `docker image inspect`, or YAML or JSON that maps image names to configurations",
    )
    add_cache_option(parser)
    add_resolve_option(parser)


def _binding(text: str) -> tuple[str, str]:
    """Return a Workspace and its binding. Raises ArgumentTypeError, which argparse reports."""
    name, binding = name_and_value(text)
    first, comma, rest = binding.partition(",")
    if name == "name" and comma and "=" in rest:  # as in tkn: name=NAME,claimName=CLAIM
        return first, rest
    return name, binding


def view(text: str) -> tuple[str, str, str]:
    """Return the parts of ``TASK/WORKSPACE[=POLICY]``. Raises ArgumentTypeError, which argparse reports."""
    from monopod.compiler.tasks.views import parse_policy  # noqa: PLC0415  # not needed for --help

    where, equals, policy = text.partition("=")
    task, slash, workspace = where.rpartition("/")
    if not (task and slash and workspace):
        raise argparse.ArgumentTypeError(f"expected TASK/WORKSPACE or TASK/WORKSPACE=POLICY, got {text!r}")
    try:
        return task, workspace, parse_policy(policy) if equals else "merge"
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _architectures(text: str) -> list[str]:
    """Return the architectures in a list. Raises ArgumentTypeError, which argparse reports."""
    from monopod.compiler.pod.architectures import unknown_architecture  # noqa: PLC0415  # not needed for --help

    names = [name.strip() for name in text.split(",")]
    for name in names:
        if (message := unknown_architecture(name)) is not None:
            raise argparse.ArgumentTypeError(message)
    return names


def duration(text: str) -> float:
    """Return the seconds of a duration such as ``1h30m``. Raises ArgumentTypeError, which argparse reports."""
    from monopod.schemas.formats.duration import parse  # noqa: PLC0415  # it imports pydantic

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive_number(text: str) -> int:
    """Return a positive whole number. Raises ArgumentTypeError, which argparse reports."""
    number = positive(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return number


@without_garbage_collection()
def compile_documents(
    arguments: argparse.Namespace, further: Callable[[], Mapping[str, Any]] = dict, **options: Any
) -> tuple[Compilation, ...]:
    """Compile the runs in the files of the command line; there is at least one. Raises Problems.

    `options` are further fields of the compiler's Options; `further` returns fields that are needed once the files were
    read.
    """
    from monopod.compiler.compilation import compile_runs  # noqa: PLC0415  # not needed for --help

    documents = load_documents(arguments)
    if "secrets" in arguments:
        documents = with_given_secrets(documents, arguments, local=options.get("local", False))
    compilations = compile_runs(documents, compiler_options(arguments, **options, **further()))
    if getattr(arguments, "secrets", None):
        report_unused_secrets(compilations, arguments)
    return compilations


def load_documents(arguments: argparse.Namespace) -> Documents:
    """Load the files of the command line, once. Raises Problems, also if there are no files."""
    loaded: Documents | None = getattr(arguments, "loaded", None)
    if loaded is None:
        loaded = arguments.loaded = _load_documents(arguments)
    return loaded


def _load_documents(arguments: argparse.Namespace) -> Documents:
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.documents.documents import load  # noqa: PLC0415

    files = input_files(arguments)
    if not files:
        message = "no input file; use -f FILE, or -f - for standard input; monopod init writes a first pipeline"
        raise Problems([Problem(None, message, "no-input")])
    recorded, split = getattr(arguments, "recorded", {}), getattr(arguments, "shard_by", None) or ""
    documents = load(files, params=params_of(arguments), recorded=recorded, split=split)
    if not names_files(arguments) and hasattr(arguments, "name"):
        _choose_run(documents, arguments)
    return documents


def ask_for_params(arguments: argparse.Namespace) -> None:
    """Ask for the params that have no value, if there is somebody to ask. Raises Problems.

    The answers become values of ``-p``, and `asked`.
    """
    if not can_ask() or "-" in arguments.files:
        return
    from monopod.compiler.documents.run_selection import params_without_value  # noqa: PLC0415  # not needed for --help

    documents = load_documents(arguments)
    given = {name for name, _ in params_of(arguments)} | documents.filled_params
    for spec in params_without_value(documents, name_of_run(arguments), given):
        arguments.asked.append((spec.name, ask_param(spec)))
    arguments.params = [*arguments.params, *arguments.asked]


def input_files(arguments: argparse.Namespace) -> list[str]:
    """Return the files of the command line; without any, those of the project. Raises Problems."""
    if names_files(arguments):
        return [*arguments.files, *arguments.more_files]
    files: list[str] | None = getattr(arguments, "project_files", None)
    if files is None:
        files = arguments.project_files = files_of_project(arguments)
    return files


def _choose_run(documents: Documents, arguments: argparse.Namespace) -> None:
    """Let the user choose if the project's files hold several runs. Raises Problems if nobody can be asked."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help

    runs = [document for document in documents if document.kind in {"PipelineRun", "TaskRun"}]
    if name_of_run(arguments) is not None or len(runs) < 2:
        return
    names = [run.name or str((run.data.get("metadata") or {}).get("generateName") or "") for run in runs]
    if getattr(arguments, "may_ask", False):
        arguments.name = choose("Which run?", names)
    if arguments.name is None:
        where = os.path.commonpath(input_files(arguments))
        message = f"{where} defines several runs ({', '.join(names)}); choose one with --name, or a file with -f"
        raise Problems([Problem(None, message, "several-runs")])


def placeholder_names() -> dict[str, Any]:
    """Return compiler options that put placeholders for what `monopod run` decides: names, and the store of caches."""
    from monopod.compiler.caches.store_option import OFF  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.scope.run_names import placeholder_name  # noqa: PLC0415

    return {"new_name": placeholder_name, "default_namespace": "default", "default_cache_store": OFF}


def compiler_options(arguments: argparse.Namespace, **options: Any) -> Options:
    """Return the compiler options of a command line; `options` are further fields."""
    from monopod.compiler.options import Options  # noqa: PLC0415  # not needed for --help

    return Options(
        architectures=tuple(name for names in arguments.architectures for name in names),
        params=params_of(arguments),
        param_files=file_params(arguments),
        workspaces=workspaces_of(arguments),
        name=name_of_run(arguments),
        namespace=namespace_of(arguments),
        max_concurrency=arguments.max_concurrency,
        views=tuple(arguments.views),
        max_parallel=arguments.max_parallel,
        pack=arguments.pack,
        keep_volume_claims=arguments.keep_volume_claims,
        timeout=arguments.timeout,
        runtime_image=arguments.runtime_image,
        image_configs=tuple(arguments.image_configs),
        pod_security=arguments.pod_security,
        sources=local_sources(arguments.resolve),
        cache_store=chosen_cache_store(arguments.cache_store),
        **options,
    )
