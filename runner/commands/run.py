"""`monopod run`: run a Pipeline and follow it."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.input_options import add_file_options, add_run_options, compile_documents

SUMMARY = "run a Pipeline and follow it to its end"

EXAMPLES = """\
  monopod run -f pipeline.yaml -p version=1.2
  monopod run -f pipeline.yaml -w source=hostPath:.       (on the files as they are, uncommitted ones too)
  monopod run -f run.yaml -o json > finished-run.json     (the PipelineRun with its status)
  monopod run -f pipeline.yaml --backend podman           (in containers, with the Steps' images)
  kubectl get pipeline build -o yaml | monopod run -f -

exit codes:
  0 Succeeded or Completed, 1 Failed, 2 the input is wrong (nothing was run), 130 cancelled

Ctrl-C cancels (Tekton's Cancelled): the Steps that run are asked to stop, and finally Tasks do not run. A second Ctrl-C
kills them at once. To cancel in Tekton's other ways, or from elsewhere, see `monopod cancel --help`.

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
    parser.add_argument("--keep", action="store_true", help="leave the files of the run where they are, and say where")
    parser.add_argument(
        "--backend",
        choices=("host", "podman", "kubernetes"),
        help="where to run: host is this machine, and the default; podman runs containers with the Steps' images; "
        "kubernetes is not there yet",
    )
    parser.add_argument(
        "--network", metavar="NETWORK", help="with podman: the Pod's network, such as host, none or one of podman's"
    )
    parser.add_argument("--context", metavar="CONTEXT", help="the context of kubectl to run in; implies kubernetes")


def execute(arguments: argparse.Namespace) -> int:
    """Run the Pods, one for each run, and return the exit code. Raises Problems."""
    chosen = arguments.backend or ("kubernetes" if arguments.context is not None else "host")
    if chosen == "kubernetes":
        what = f"the backend {chosen} is not there yet; use --backend host, or "
        print(f"monopod run: {what}monopod compile -f FILE | kubectl create -f -", file=sys.stderr)
        return 2
    if arguments.context is not None:
        print(f"monopod run: --context is for the backend kubernetes, not for {chosen}", file=sys.stderr)
        return 2
    if arguments.network is not None and chosen != "podman":
        print(f"monopod run: --network is for the backend podman, not for {chosen}", file=sys.stderr)
        return 2
    return _run_with_podman(arguments) if chosen == "podman" else _run_on_host(arguments)


def _run_on_host(arguments: argparse.Namespace) -> int:
    from monopod.runner.host.backend import HostBackend  # noqa: PLC0415  # not needed for --help
    from monopod.runner.run_pods import Options, run_pods  # noqa: PLC0415

    compilations = compile_documents(arguments, log_format="json")
    return run_pods(compilations, HostBackend(), Options(arguments.output, arguments.keep))


def _run_with_podman(arguments: argparse.Namespace) -> int:
    from monopod.compiler.kube_version import WITHOUT_NATIVE_SIDECARS  # noqa: PLC0415  # not needed for --help
    from monopod.runner.podman.backend import PodmanBackend  # noqa: PLC0415
    from monopod.runner.run_pods import Options, run_pods  # noqa: PLC0415

    compilations = compile_documents(arguments, log_format="json", kube_version=WITHOUT_NATIVE_SIDECARS)
    return run_pods(compilations, PodmanBackend(arguments.network), Options(arguments.output, arguments.keep))
