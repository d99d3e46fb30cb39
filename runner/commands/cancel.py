"""`monopod cancel`: cancel an active run, of the same user on this machine or in a cluster."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from monopod.runner.commands.options.known_run import add_known_run_argument, refuse
from monopod.runner.exit_codes import SUCCEEDED
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.known_runs.finding import PodReference
    from monopod.schemas.run_events import CancelMode

SUMMARY = "cancel a run, on this machine or in a cluster"

EXAMPLES = """\
  monopod cancel                                     (the active run of this project, if there is only one)
  monopod cancel build-x7k2p                         (the same as Ctrl-C)
  monopod cancel build-x7k2p --grace CancelledRunFinally
  monopod cancel build-x7k2p --context prod -n ci    (in a cluster)

the values of --grace are Tekton's:
  Cancelled            stop running Steps; finally Tasks do not run (the default)
  CancelledRunFinally  stop running Steps, then run the finally Tasks
  StoppedRunFinally    let running Tasks finish, with their retries, then run the finally Tasks

With --context or -n, and always with `kubectl monopod cancel`, RUN is a Pod in a cluster. You can cancel again with a
stricter value. `monopod cancel` does not wait for the run to end.

exit codes:
  0 the run accepted the request, 2 no such run, or the run cannot be reached"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from monopod.runner.cancellation import MODES  # noqa: PLC0415  # only for this command's help

    add_known_run_argument(parser, "active_run", "the active run of this project, if there is only one")
    parser.add_argument(
        "--grace", choices=MODES, default="Cancelled", metavar="MODE", help=f"how to cancel: {', '.join(MODES)}"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Request the cancellation and return once the run has accepted it. Raises OSError."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.known_runs import finding  # noqa: PLC0415

    try:
        run = finding.find_active_run(finding.wanted(arguments, arguments.active_run))
        if isinstance(run, finding.PodReference):
            mode: CancelMode | None = _cancel_in_cluster(run, arguments.grace)
        else:
            mode = run.cancel(arguments.grace, partial(_report_wait, run.name))
    except (finding.NoSuchRunError, BackendUnavailableError) as error:
        return refuse("cancel", error)
    if mode is None:
        return refuse("cancel", f"run '{run.name}' has ended")
    earlier = "" if mode == arguments.grace else " (requested earlier)"
    print(f"Cancelling run '{run.name.rpartition('/')[2]}': {mode}{earlier}")
    return SUCCEEDED


def _report_wait(name: str) -> None:
    text = f"run '{name}' does not answer yet; if its process is suspended (Ctrl-Z), resume it with fg"
    print(f"monopod cancel: {visible_lines(text)}", file=sys.stderr, flush=True)


def _cancel_in_cluster(reference: PodReference, mode: CancelMode) -> CancelMode:
    """Cancel the run of a Pod. Raises NoSuchRunError, BackendUnavailableError."""
    from monopod.runner.known_runs.finding import NoSuchRunError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.known_runs.opening import opened_pod  # noqa: PLC0415
    from monopod.runner.kubernetes.cancelling import cancel  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError  # noqa: PLC0415

    with opened_pod(reference) as existing:
        try:
            return cancel(existing, mode)
        except NoSuchPodError as error:
            raise NoSuchRunError(str(error)) from error
