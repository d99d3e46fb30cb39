"""What became of the Tasks that were running when their run ended, if the coordinator did not report it.

Their containers ended with the Pod, so they share the outcome of the run, as in its document (``ended_document``), and
their running Steps were stopped. Nothing is said if the outcome is unknown. If events are missing, do not ask: those
Tasks may have ended before.

Pure, except that it changes the states.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from monopod.schemas.run_events import FinalStatus
from monopod.schemas.run_progress import TaskState

STILL_RUNNING = "still running when the run ended"
_ENDED_WITH_THE_POD = "ended with the Pod"


def end_unfinished(
    tasks: Iterable[TaskState], status: FinalStatus | Literal["Unknown"], reason: str, at: float
) -> None:
    """End those of the Tasks of a run that are running, since the run ended with this status and reason at `at`."""
    if status == "Unknown" or status == "Succeeded":  # noqa: PLR1714  # mypy narrows the type by it
        return
    for task in tasks:
        if task.status == "Running":
            task.status, task.reason, task.message, task.ended = status, reason, STILL_RUNNING, at
            _end_attempt(task, at)


def _end_attempt(task: TaskState, at: float) -> None:
    attempt = task.last
    if attempt is None or attempt.ended is not None:  # it waits for its next attempt
        return
    attempt.status, attempt.reason, attempt.message, attempt.ended = task.status, task.reason, task.message, at
    for step in attempt.steps:
        if not step.reason:
            step.start = step.requested if step.start is None else step.start
            step.end, step.exit_code = at, 1
            step.reason, step.message = "Cancelled", _ENDED_WITH_THE_POD
