"""The options that say what is to be run: files, params, Workspaces, the namespace. The same for all commands.

Files are given with ``-f``, as to kubectl, or as plain arguments, so that ``-f *.yaml`` means what it looks like.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from monopod.runner.garbage_collection import without_garbage_collection

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation, Options
    from monopod.compiler.documents.documents import Documents


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-f FILE``, FILE as plain arguments, and what of the files is meant."""
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        dest="files",
        metavar="FILE",
        help="YAML or JSON to read: a file, a directory (its .yaml, .yml and .json files) or - (standard input); "
        "may be given several times",
    )
    parser.add_argument("more_files", nargs="*", metavar="FILE", help="the same, without -f")
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="which run, Pipeline or Task is meant, if the files hold several: its name or generateName; without it, "
        "all PipelineRuns and TaskRuns are meant, one after another",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that bind what the Pipeline leaves open."""
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        dest="params",
        type=name_and_value,
        metavar="NAME=VALUE",
        help="the value of a param; of an array a,b,c or JSON, of an object key:value,... or JSON",
    )
    parser.add_argument(
        "-w",
        "--workspace",
        action="append",
        default=[],
        dest="workspaces",
        type=name_and_value,
        metavar="NAME=BINDING",
        help="what a Workspace is bound to: emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME",
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="DURATION",
        help="how long the whole run may take, such as 90s or 1h30m; 0 is without a limit",
    )
    parser.add_argument(
        "--max-concurrency",
        type=_positive,
        metavar="NUMBER",
        help="how many combinations of a matrix may run at the same time",
    )
    parser.add_argument(
        "--keep-volume-claims",
        action="store_true",
        help="let a volumeClaimTemplate be a claim that the cluster makes and removes with the Pod (a generic "
        "ephemeral volume), not an emptyDir: for more storage than a node has, a storage class, or a snapshot to start "
        "from",
    )
    parser.add_argument("-n", "--namespace", metavar="NAMESPACE", help="the namespace of the Pod")
    parser.add_argument(
        "--pod-security",
        choices=("restricted",),
        metavar="PROFILE",
        help="restricted: let the Pod pass that profile of the Pod Security Standards; what Steps leave open is filled "
        "in, and what they ask for and it forbids is refused",
    )
    parser.add_argument(
        "--runtime-image",
        metavar="IMAGE",
        help="the image of the coordinator, if it is not the one that `make image` builds here",
    )
    parser.add_argument(
        "--image-config",
        action="append",
        default=[],
        dest="image_configs",
        metavar="FILE",
        help="what images say to run (ENTRYPOINT and CMD), for Steps and Sidecars without command and script, instead "
        "of asking podman, docker or the registry: the output of `podman image inspect` or `docker image inspect`, or "
        "YAML or JSON with configurations by the names of images; may be given several times",
    )


def name_and_value(text: str) -> tuple[str, str]:
    """Return the two parts of ``NAME=VALUE``; argparse tells of the error."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, not {text!r}")
    return name, value


def duration(text: str) -> float:
    """Return the seconds of a duration such as ``1h30m``; argparse tells of the error."""
    from monopod.schemas.formats.duration import parse  # noqa: PLC0415  # it imports pydantic

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)


@without_garbage_collection()
def compile_documents(arguments: argparse.Namespace, **options: Any) -> tuple[Compilation, ...]:
    """Return what the runs in the files given compile to, one at least. Raises Problems, also if no file is given.

    `options` are further fields of the compiler's Options.
    """
    from monopod.compiler.compilation import compile_runs  # noqa: PLC0415  # not needed for --help

    return compile_runs(load_documents(arguments), compiler_options(arguments, **options))


def load_documents(arguments: argparse.Namespace) -> Documents:
    """Return the documents in the files given. Raises Problems, also if no file is given."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.documents.documents import load  # noqa: PLC0415

    files = [*arguments.files, *arguments.more_files]
    if not files:
        raise Problems([Problem(None, "no file is given; use -f FILE, or -f - for standard input", "no-input")])
    return load(files)


def names_of_a_run() -> dict[str, Any]:
    """Return compiler options with which the names are known that `monopod run` makes: for what is only looked at."""
    from monopod.compiler.scope.run_names import placeholder_name  # noqa: PLC0415  # not needed for --help

    return {"new_name": placeholder_name, "default_namespace": "default"}


def compiler_options(arguments: argparse.Namespace, **options: Any) -> Options:
    """Return what the arguments ask of the compiler; `options` are further fields."""
    from monopod.compiler.compilation import Options  # noqa: PLC0415  # not needed for --help

    if arguments.runtime_image is not None:
        options["runtime_image"] = arguments.runtime_image
    return Options(
        params=tuple(arguments.params),
        workspaces=tuple(arguments.workspaces),
        name=arguments.name,
        namespace=arguments.namespace,
        max_concurrency=arguments.max_concurrency,
        keep_volume_claims=arguments.keep_volume_claims,
        timeout=arguments.timeout,
        image_configs=tuple(arguments.image_configs),
        pod_security=arguments.pod_security,
        **options,
    )
