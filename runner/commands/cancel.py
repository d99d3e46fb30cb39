"""`monopod cancel`: cancel a running Pipeline, of the same user on this machine or in a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monopod.runner.commands.options.cluster import add_cluster_options, is_kubectl_plugin
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.cancellation import ActiveRun

SUMMARY = "cancel a run, on this machine or in a cluster"

EXAMPLES = """\
  monopod cancel                                     (if you have only one active run)
  monopod cancel build-x7k2p                         (the same as Ctrl-C)
  monopod cancel build-x7k2p --grace CancelledRunFinally
  monopod cancel build-x7k2p --context prod -n ci    (in a cluster)

the values of --grace are Tekton's:
  Cancelled            stop running Steps; finally Tasks do not run (the default)
  CancelledRunFinally  stop running Steps, then run the finally Tasks
  StoppedRunFinally    let running Tasks finish, with their retries, then run the finally Tasks

With --context or -n, and always with `kubectl monopod cancel`, NAME is a Pod in a cluster. You can cancel again with a
stricter value. `monopod cancel` does not wait for the run to end.

exit codes:
  0 the run accepted the request, 2 no such run, or the run cannot be reached"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from monopod.runner.cancellation import MODES  # noqa: PLC0415  # only for this command's help

    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="the run (in a cluster: its Pod, NAME or pod/NAME); optional if you have only one active run",
    )
    add_cluster_options(parser)
    parser.add_argument(
        "--grace", choices=MODES, default="Cancelled", metavar="MODE", help=f"how to cancel: {', '.join(MODES)}"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Request the cancellation and return once the run has accepted it. Raises OSError."""
    if arguments.context is not None or arguments.namespace is not None or is_kubectl_plugin():
        return _cancel_in_cluster(arguments)
    from monopod.runner.cancellation import active_runs  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubelet.state_directory import root_path  # noqa: PLC0415

    runs = active_runs(root_path())
    selected = _select(runs, arguments.name)
    if len(selected) != 1:
        return _refuse(_selection_error(runs, selected, arguments.name))
    (run,) = selected
    mode = run.cancel(arguments.grace)
    if mode is None:
        return _refuse(f"run '{run.name}' has ended")
    return _report(run.name, mode, arguments.grace)


def _cancel_in_cluster(arguments: argparse.Namespace) -> int:
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.kubernetes.cancelling import cancel  # noqa: PLC0415
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415

    if arguments.name is None:
        return _refuse("no Pod named; in a cluster, use monopod cancel POD")
    try:
        with connect(arguments.context) as cluster:
            existing = find(cluster, arguments.namespace, arguments.name)
            mode = cancel(existing, arguments.grace)
    except (NoSuchPodError, BackendUnavailableError) as error:
        return _refuse(str(error))
    return _report(existing.name.name, mode, arguments.grace)


def _report(name: str, mode: str, requested: str) -> int:
    earlier = "" if mode == requested else " (requested earlier)"
    print(f"Cancelling run '{name}': {mode}{earlier}")
    return SUCCEEDED


def _refuse(message: str) -> int:
    print(visible_lines(f"monopod cancel: {message}"), file=sys.stderr)
    return WRONG_INPUT


def _select(runs: Sequence[ActiveRun], name: str | None) -> Sequence[ActiveRun]:
    """Return the runs that `name` selects; runs that share a name are selected by their identity."""
    if name is None:
        return runs
    return [run for run in runs if run.name == name] or [run for run in runs if run.identity == name]


def _selection_error(runs: Sequence[ActiveRun], selected: Sequence[ActiveRun], name: str | None) -> str:
    from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # not needed for --help
    from monopod.runner.cancellation import unique_names  # noqa: PLC0415

    if not runs:
        return f"no run '{name}'; you have no active run" if name is not None else "you have no active run"
    if selected:
        what = "several runs are active" if name is None else f"several runs are named '{name}'"
        return f"{what}; choose one: {', '.join(unique_names(selected))}"
    suggestion = did_you_mean(name or "", [run.name for run in runs])
    return f"no run '{name}'{suggestion}; active runs: {', '.join(unique_names(runs))}"
