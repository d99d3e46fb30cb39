"""`monopod cancel`: cancel a run that goes on: of the same user on this machine, or in a cluster."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monopod.runner.commands.options.cluster import add_cluster_options, is_kubectl_plugin
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.cancellation import GoingRun

SUMMARY = "cancel a run that goes on, on this machine or in a cluster"

EXAMPLES = """\
  monopod cancel                                     (the only run of yours that goes on)
  monopod cancel build-x7k2p                         (as Ctrl-C does)
  monopod cancel build-x7k2p --grace CancelledRunFinally
  monopod cancel build-x7k2p --context prod -n ci    (in a cluster)

the three ways are Tekton's:
  Cancelled            the Steps that run are asked to stop; finally Tasks do not run. This is the default
  CancelledRunFinally  the Steps that run are asked to stop, then the finally Tasks run
  StoppedRunFinally    the Tasks that run go on to their end, with their retries; then the finally Tasks run

With --context or -n, and always with `kubectl monopod cancel`, a Pod in a cluster is meant. A harder way may follow a
milder one. `monopod cancel` does not wait for the end of the run.

exit codes:
  0 the run has taken the request, 2 there is no such run, or it cannot be asked"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from monopod.runner.cancellation import MODES  # noqa: PLC0415  # only for this command's help

    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the name of the run (in a cluster: of its Pod, or pod/NAME), if several of yours go on",
    )
    add_cluster_options(parser)
    parser.add_argument(
        "--grace", choices=MODES, default="Cancelled", metavar="WAY", help=f"how to cancel: {', '.join(MODES)}"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Ask the run to be cancelled, and return once it has taken that. Raises OSError."""
    if arguments.context is not None or arguments.namespace is not None or is_kubectl_plugin():
        return _cancel_in_cluster(arguments)
    from monopod.runner.cancellation import going_runs  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubelet.state_directory import root_path  # noqa: PLC0415

    runs = going_runs(root_path())
    found = _chosen(runs, arguments.name)
    if len(found) != 1:
        return _refuse(_no_choice(runs, found, arguments.name))
    (run,) = found
    mode = run.cancel(arguments.grace)
    if mode is None:
        return _refuse(f"run '{run.name}' has ended")
    return _tell(run.name, mode, arguments.grace)


def _cancel_in_cluster(arguments: argparse.Namespace) -> int:
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cancelling import cancel  # noqa: PLC0415
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415

    if arguments.name is None:
        return _refuse("in a cluster the Pod must be named")
    try:
        with connect(arguments.context) as cluster:
            existing = find(cluster, arguments.namespace, arguments.name)
            mode = cancel(existing, arguments.grace)
    except (NoSuchPodError, BackendUnavailableError) as error:
        return _refuse(str(error))
    return _tell(existing.name.name, mode, arguments.grace)


def _tell(name: str, mode: str, asked_for: str) -> int:
    already = "" if mode == asked_for else ", which was asked for before"
    print(f"Run '{name}' is being cancelled: {mode}{already}")
    return 0


def _refuse(message: str) -> int:
    print(visible_lines(f"monopod cancel: {message}"), file=sys.stderr)
    return 2


def _chosen(runs: Sequence[GoingRun], name: str | None) -> Sequence[GoingRun]:
    """Return the runs that are meant; of several with one name, each can be named by its identity."""
    if name is None:
        return runs
    return [run for run in runs if run.name == name] or [run for run in runs if run.identity == name]


def _no_choice(runs: Sequence[GoingRun], found: Sequence[GoingRun], name: str | None) -> str:
    from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # not needed for --help

    if not runs:
        return f"there is no run '{name}', and none goes on" if name is not None else "no run of yours goes on"
    if found:
        what = "several runs go on" if name is None else f"several runs are called '{name}'"
        return f"{what}; choose one of {', '.join(_names(found))}"
    suggestion = did_you_mean(name or "", [run.name for run in runs])
    return f"there is no run '{name}'{suggestion}; those that go on: {', '.join(_names(runs))}"


def _names(runs: Sequence[GoingRun]) -> list[str]:
    """Return what each run can be called by: its name, or its identity if others have the same name."""
    counts = Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else run.identity for run in runs]
