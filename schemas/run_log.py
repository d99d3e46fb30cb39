"""The log of a run, as a person reads it in ``kubectl logs POD -c coordinator``.

Rules: a line for each event, with the time of day and the time since the start; plain text; what comes from a Step or
an author can neither break a line nor move the cursor. At the end there is a table with a row for each Task.

Pure: events in, lines out. What is left to others: writing them (``__main__``).
"""

from __future__ import annotations

import time

from monopod.schemas.formats.visible_text import visible
from monopod.schemas.formats.words import duration_in_words, exit_code_in_words, table_lines
from monopod.schemas.matrix_names import InstanceNames, started_words
from monopod.schemas.run_events import (
    MatrixExpanded,
    OutputEnded,
    RunCancelling,
    RunEvent,
    RunFinished,
    RunStarted,
    RunWarning,
    SidecarFinished,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    sidecar_end_in_words,
)

SUMMARY_BYTES = 4096
"""What Kubernetes keeps of a termination message."""

_WIDEST_NAME = 32


class _Row:
    """A Task in the closing table."""

    def __init__(self, name: str, status: str, why: str = "") -> None:
        self.name = name
        self.status = status
        self.why = why
        self.started: float | None = None
        self.ended: float | None = None
        self.attempts = 1


class RunLog:
    """Turns the events of one run into lines."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._attempt_started: dict[str, float] = {}
        self._rows: dict[str, _Row] = {}
        self._names = InstanceNames()
        self._width = 12

    def note(self, event: RunEvent) -> None:
        """Keep what the closing table and the summary need of `event`."""
        if self._started is None:
            self._started = event.at
        self._names.note(event)
        match event:
            case TaskSkipped():
                self._rows[event.task] = _Row(event.task, "Skipped", event.why)
            case TaskStarted():
                row = self._row(event)
                row.started = event.at if row.started is None else row.started
                self._attempt_started[row.name] = event.at
            case TaskFinished():
                row = self._row(event)
                row.ended, row.status = event.at, event.status
                row.why = "" if event.status == "Succeeded" else event.message or event.reason
            case _:
                pass

    def _row(self, event: TaskStarted | TaskFinished) -> _Row:
        name = self._names.label(event.task, event.index)
        row = self._rows.setdefault(name, _Row(name, "Running"))
        row.attempts = event.attempt + 1
        return row

    def lines(self, event: RunEvent) -> list[str]:
        """Take note of `event`, and return the lines that tell it, without newlines."""
        self.note(event)
        if isinstance(event, OutputEnded):
            return []
        assert self._started is not None
        who, what = self._words(event)
        self._width = min(max(self._width, len(who)), _WIDEST_NAME)
        clock = time.strftime("%H:%M:%S", time.localtime(event.at))
        elapsed = f"+{duration_in_words(event.at - self._started)}"
        line = visible(f"{clock} {elapsed:>7}  {who:<{self._width}}  {what}")
        if isinstance(event, RunFinished):
            return ["", *map(visible, self._table()), "", line]
        return [line]

    def summary(self, event: RunFinished) -> str:
        """Return the end of the run for its termination message: at most 4 KiB in UTF-8."""
        lines = [f"{event.status} ({event.reason}): {event.message}"]
        lines += [f"{row.name}: {row.status}: {row.why}" for row in self._rows.values() if row.status != "Succeeded"]
        data = "\n".join(map(visible, lines)).encode(errors="replace")
        return data[:SUMMARY_BYTES].decode(errors="ignore")

    def _words(self, event: RunEvent) -> tuple[str, str]:
        """Return who an event is about, and what it says."""
        match event:
            case RunStarted() | RunCancelling() | RunWarning() | RunFinished():
                return "", _run_words(event)
            case OutputEnded():
                return "", ""
            case TaskSkipped():
                return event.task, f"skipped: {event.why}"
            case MatrixExpanded():
                return event.task, f"{len(event.names)} combinations of its matrix"
            case TaskStarted() | TaskFinished():
                return self._names.label(event.task, event.index), self._task_words(event)
            case StepStarted() | StepFinished() | SidecarFinished():
                return self._names.label(event.task, event.index), _words_of_part(event)

    def _task_words(self, event: TaskStarted | TaskFinished) -> str:
        name = self._names.label(event.task, event.index)
        if isinstance(event, TaskStarted):
            return started_words(name, event.attempt, event.params)
        took = duration_in_words(event.at - self._attempt_started.get(name, event.at))
        why = self._rows[name].why
        words = f"{_attempt(event.attempt)}{event.status} after {took}" + (f": {why}" if why else "")
        return f"{words}; it is tried again" if event.will_retry else words

    def _table(self) -> list[str]:
        if not self._rows:
            return []
        return table_lines([("TASK", "STATUS", "STARTED", "TOOK", "WHY"), *map(self._cells, self._rows.values())])

    def _cells(self, row: _Row) -> tuple[str, ...]:
        why = f"{row.why}; {row.attempts} attempts".removeprefix("; ") if row.attempts > 1 else row.why
        if row.started is None or self._started is None:
            return row.name, row.status, "-", "-", why
        took = "-" if row.ended is None else duration_in_words(row.ended - row.started)
        return row.name, row.status, f"+{duration_in_words(row.started - self._started)}", took, why


def _attempt(attempt: int) -> str:
    return f"attempt {attempt + 1} " if attempt else ""


def _run_words(event: RunStarted | RunCancelling | RunWarning | RunFinished) -> str:
    if isinstance(event, RunStarted):
        return f"run {event.name} started" + (f" in namespace {event.namespace}" if event.namespace else "")
    if isinstance(event, RunCancelling):
        return f"the run is being cancelled: {event.mode}"
    if isinstance(event, RunWarning):
        return f"warning: {event.message}"
    return f"run {event.status} ({event.reason}): {event.message}"


def _words_of_part(event: StepStarted | StepFinished | SidecarFinished) -> str:
    """Return what happened to a Step or Sidecar, after its name."""
    if isinstance(event, StepStarted):
        return f"{event.step}: started"
    if isinstance(event, SidecarFinished):
        return f"{event.sidecar}: {sidecar_end_in_words(event)}"
    return f"{event.step}: {_step_words(event)}"


def _step_words(event: StepFinished) -> str:
    if event.reason == "Skipped":
        return f"skipped: {event.message}" if event.message else "skipped"
    words = event.reason.lower() if event.reason in ("Completed", "Cancelled") else event.reason
    if event.reason != "Completed":
        words += f": {event.message or exit_code_in_words(event.exit_code)}"
    if not event.end > event.start > 0:
        return words
    used = f"CPU {event.cpu:.1f}s, {event.peak / 1024:.1f} MiB"
    return f"{words} after {duration_in_words(event.end - event.start)} ({used})"
