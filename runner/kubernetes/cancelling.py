"""Cancels a run whose Pod is in a cluster, from any machine.

Rules: the request is a signal to the coordinator. It has succeeded only when the coordinator reports the cancellation.
If the coordinator has not started, nothing runs in the Pod, so it is deleted, as by Ctrl-C where the run was started.
A coordinator that logs text instead of events is assumed to have received the signal, and so is one whose Pod was
deleted after it, before its log could be read: `monopod run` deletes the Pod of a cancelled run.
"""

from __future__ import annotations

from contextlib import closing

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.cancellation import harder
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import CommandFailedError, UnreachableError
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.following import REQUEST
from monopod.runner.kubernetes.pod_deletion import delete_pod, is_deleted
from monopod.runner.kubernetes.pod_states import has_started, is_over
from monopod.runner.kubernetes.reading import events_of
from monopod.runner.kubernetes.retrying import patiently
from monopod.runner.run import SIGNALS
from monopod.schemas.run_events import CancelMode, RunCancelling, RunFinished

_ASKING_SECONDS = 10.0
"""How long a request to cancel a run is retried while its coordinator is out of reach."""


def cancel(existing: ExistingPod, mode: CancelMode) -> CancelMode:
    """Request the cancellation and return its mode, which is a harder one if that was requested before.

    Raises NoSuchPodError if the run has ended, BackendUnavailableError if the coordinator cannot be reached.
    """
    if is_over(existing.pod):
        raise NoSuchPodError(f"the run of {existing.name} has ended")
    if not has_started(existing.pod):
        _delete(existing, mode)
        return mode
    command = (*REQUEST, "signal", str(int(SIGNALS[mode])))
    try:
        patiently(Request.EXEC, lambda: existing.cluster.execute(existing.name, COORDINATOR, command), _ASKING_SECONDS)
    except ApiError as error:
        meaning = about(Request.EXEC, error)
        if meaning is About.GONE:
            raise NoSuchPodError(f"the run of {existing.name} has ended: {error.describe()}") from error
        if meaning in (About.FORBIDDEN, About.UNAUTHORIZED):
            what = f"{error.describe()}; kubectl delete pod {existing.name.name} ends the run without it"
        else:
            what = f"cannot reach the coordinator of {existing.name} to cancel it: {error.describe()}"
        raise BackendUnavailableError(what) from error
    except (UnreachableError, CommandFailedError) as error:
        what = f"cannot reach the coordinator of {existing.name} to cancel it: {error}"
        raise BackendUnavailableError(what) from error
    return _taken(existing, mode) if existing.reports_events else mode


def _delete(existing: ExistingPod, mode: CancelMode) -> None:
    """Delete the Pod. Raises NoSuchPodError if it is gone, BackendUnavailableError."""
    if mode != "Cancelled":
        what = f"{existing.name} has not started, so no finally Task can run; cancel it without --grace"
        raise BackendUnavailableError(what)
    try:
        delete_pod(existing.cluster, existing.pod)
    except (ApiError, UnreachableError) as error:
        if is_deleted(error):
            raise NoSuchPodError(f"the run of {existing.name} has ended") from error
        what = f"{existing.name}, whose run has not started, cannot be deleted: {describe(error)}"
        raise BackendUnavailableError(what) from error


def _taken(existing: ExistingPod, mode: CancelMode) -> CancelMode:
    """Wait until the coordinator reports that the run is being cancelled, in this mode or a harder one."""
    now: CancelMode | None = None
    with closing(events_of(existing, follow=True)) as events:
        for event in events:
            if isinstance(event, RunCancelling):
                now = harder(now, event.mode)
            if now is not None and harder(now, mode) == now:
                return now
            if isinstance(event, RunFinished):
                raise NoSuchPodError(f"the run of {existing.name} has ended")
    return mode
