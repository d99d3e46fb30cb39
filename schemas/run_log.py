"""The log of a run for people, as ``kubectl logs POD -c coordinator`` prints it.

Each event is a line of plain text, with the time of day and the time since the start. Text of a Step or an author
cannot break a line or move the cursor. A table at the end has a row for each Task.

Pure: events in, lines out. ``__main__`` writes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from monopod.schemas.formats.visible_text import visible
from monopod.schemas.formats.words import describe_exit_code, format_duration, table_lines
from monopod.schemas.run_events import (
    CapacityGivenBack,
    ContainerRestarted,
    MatrixExpanded,
    OutputEnded,
    RunCancelling,
    RunEvent,
    RunFinished,
    RunStarted,
    RunWarning,
    SidecarFinished,
    SidecarStarted,
    StepFinished,
    StepHeld,
    StepReleased,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    could_not_start,
    describe_given_back,
    describe_hold,
    describe_release,
    describe_restart,
    describe_retry,
    describe_sidecar_end,
)
from monopod.schemas.run_progress import RunProgress, TaskState

SUMMARY_BYTES = 4096
"""How much of a termination message Kubernetes keeps."""

TABLE_HEAD = ("TASK", "STATUS", "STARTED", "TOOK", "WHY")
"""The heads of a table with a row for each Task."""

_WIDEST_NAME = 32


class RunLog:
    """Turns the events of one run into lines, one event after another."""

    def __init__(self) -> None:
        self._progress = RunProgress()
        self._started: float | None = None
        self._width = 12

    def note(self, event: RunEvent) -> None:
        """Take an event without logging it: it counts in the table and the summary."""
        if self._started is None:
            self._started = event.at
        self._progress.apply(event)

    def lines(self, event: RunEvent) -> list[str]:
        """Take an event, and return the lines that report it, without newlines."""
        self.note(event)
        if isinstance(event, OutputEnded):
            return []
        assert self._started is not None
        who, what = self._describe(event)
        self._width = min(max(self._width, len(who)), _WIDEST_NAME)
        clock = time.strftime("%H:%M:%S", time.localtime(event.at))
        elapsed = f"+{format_duration(event.at - self._started)}"
        line = visible(f"{clock} {elapsed:>7}  {who:<{self._width}}  {what}")
        if isinstance(event, RunFinished):
            return ["", *map(visible, self._table()), "", line]
        return [line]

    def summary(self, event: RunFinished) -> str:
        """Return the termination message of the coordinator's container: at most 4 KiB in UTF-8."""
        lines = [f"{event.status} ({event.reason}): {event.message}"]
        tasks = [task for task in self._progress.tasks if task.status != "Succeeded"]
        lines += [f"{task.label}: {task.status}: {task.why}" for task in tasks]
        data = "\n".join(map(visible, lines)).encode(errors="replace")
        return data[:SUMMARY_BYTES].decode(errors="ignore")

    def _describe(self, event: RunEvent) -> tuple[str, str]:
        """Return which Task an event is about (empty: the run), and what it says."""
        match event:
            case (
                RunStarted()
                | RunCancelling()
                | RunWarning()
                | RunFinished()
                | ContainerRestarted()
                | CapacityGivenBack()
            ):
                return "", _describe_run(event)
            case OutputEnded():
                return "", ""
            case TaskSkipped():
                return event.task, f"skipped: {event.why}"
            case MatrixExpanded():
                return event.task, f"matrix of {len(event.names)} combinations"
            case TaskStarted() | TaskFinished():
                return self._progress.label(event.task, event.index), self._describe_task(event)
            case StepStarted() | StepFinished() | StepHeld() | StepReleased() | SidecarStarted() | SidecarFinished():
                return self._progress.label(event.task, event.index), _describe_part(event)

    def _describe_task(self, event: TaskStarted | TaskFinished) -> str:
        name = self._progress.label(event.task, event.index)
        if isinstance(event, TaskStarted):
            return describe_start(name, event.attempt, event.params)
        task = self._progress.task(event.task, event.index)
        started = event.at if task is None or task.last is None else task.last.started
        why = "" if event.status == "Succeeded" else event.message or event.reason
        words = f"{_attempt(event.attempt)}{event.status} after {format_duration(event.at - started)}"
        words += f": {why}" if why else ""
        return f"{words}; {describe_retry(event)}" if event.will_retry else words

    def _table(self) -> list[str]:
        tasks = self._progress.tasks
        return table_lines([TABLE_HEAD, *map(self._cells, tasks)]) if tasks else []

    def _cells(self, task: TaskState) -> tuple[str, ...]:
        why = _why(task)
        if task.attempt:
            why = f"{why}; {task.attempt + 1} attempts".removeprefix("; ")
        return task.label, task.status, *describe_times(task, self._started, None), why


def describe_start(name: str, attempt: int, params: Mapping[str, str]) -> str:
    """Describe the start of an attempt of the Task instance called `name`, with the params that its name leaves out."""
    return (f"attempt {attempt + 1} started" if attempt else "started") + describe_params(name, params)


def describe_params(name: str, params: Mapping[str, str]) -> str:
    """Return the params of the combination called `name`, in parentheses, unless the name lists them all."""
    if not params or name.endswith(f"[{','.join(f'{param}={value}' for param, value in params.items())}]"):
        return ""
    return f" ({', '.join(f'{param}={value}' for param, value in params.items())})"


def describe_times(task: TaskState, run_started: float | None, now: float | None) -> tuple[str, str]:
    """Return when a Task started, counted from the start of the run, and how long it took, or has taken by `now`."""
    if task.started is None or run_started is None:
        return "-", "-"
    ended = now if task.ended is None else task.ended
    took = "-" if ended is None else format_duration(ended - task.started)
    return f"+{format_duration(task.started - run_started)}", took


def _why(task: TaskState) -> str:
    """Return why a Task was skipped or did not succeed; empty if it did."""
    return "" if task.status == "Succeeded" else task.why


def _attempt(attempt: int) -> str:
    return f"attempt {attempt + 1} " if attempt else ""


def _describe_run(
    event: RunStarted | RunCancelling | RunWarning | RunFinished | ContainerRestarted | CapacityGivenBack,
) -> str:
    if isinstance(event, RunStarted):
        return f"run {event.name} started" + (f" in namespace {event.namespace}" if event.namespace else "")
    if isinstance(event, RunCancelling):
        return f"cancelling the run: {event.mode}"
    if isinstance(event, ContainerRestarted):
        return describe_restart(event)
    if isinstance(event, CapacityGivenBack):
        return describe_given_back(event)
    if isinstance(event, RunWarning):
        return f"warning: {event.message}"
    return f"run {event.status} ({event.reason}): {event.message}"


def _describe_part(
    event: StepStarted | StepFinished | StepHeld | StepReleased | SidecarStarted | SidecarFinished,
) -> str:
    """Return what happened to a Step or Sidecar, after its name."""
    if isinstance(event, StepStarted):
        return f"{event.step}: started"
    if isinstance(event, StepHeld):
        return f"{event.step}: {describe_hold(event)}; timeouts are paused"
    if isinstance(event, StepReleased):
        return f"{event.step}: {describe_release(event)}"
    if isinstance(event, SidecarStarted):
        return f"{event.sidecar}: Sidecar started"
    if isinstance(event, SidecarFinished):
        return f"{event.sidecar}: {describe_sidecar_end(event)}"
    return f"{event.step}: {_describe_step_end(event)}"


def _describe_step_end(event: StepFinished) -> str:
    if could_not_start(event):
        return f"could not start: {event.message}"
    if event.reason == "Skipped":
        return f"skipped: {event.message}" if event.message else "skipped"
    words = event.reason.lower() if event.reason in ("Completed", "Cancelled") else event.reason
    if event.reason != "Completed":
        words += f": {event.message or describe_exit_code(event.exit_code)}"
    if not event.end > event.start > 0:
        return words
    used = f"CPU {event.cpu:.1f}s, {event.peak / 1024:.1f} MiB"
    return f"{words} after {format_duration(event.end - event.start)} ({used})"
