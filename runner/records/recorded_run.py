"""A recorded run, read from its record: its Tasks with their attempts and Steps, params, Results and output.

- A record may stop anywhere, since the process that wrote it may have been killed. An incomplete last line is ignored,
  and what had not ended has no end.
- Tasks are Task instances: one for each matrix combination, and those inside a Pipeline instead of that Pipeline.
- Times are seconds since the epoch.

What is left to others: finding records (``store``), the values of params and Results (``values``), what follows from
the times (``reports.time_spent``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.follow.unfinished_tasks import end_unfinished
from monopod.runner.records import store
from monopod.runner.records.output_lines import EventPlace, Line, Source, parse_line
from monopod.runner.records.store import Header, Record, RecordError
from monopod.runner.records.values import Values, results_of
from monopod.schemas import plan as planned
from monopod.schemas.plan import Plan, Value
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import CapacityGivenBack, RunEvent, RunWarning, from_line
from monopod.schemas.run_progress import Attempt, StepRun, TaskState, progress_of


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A Task instance. ``before`` are the labels of the Task instances it waited for.

    ``params`` include the params of its matrix combination. ``display_name`` is the author's.
    """

    state: TaskState
    planned: planned.Task | None
    before: tuple[str, ...]
    params: tuple[tuple[str, Value], ...]
    results: tuple[tuple[str, Value], ...]
    display_name: str = ""

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.state.label

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Its attempts, in their order."""
        return tuple(self.state.attempts)

    @property
    def steps(self) -> tuple[StepRun, ...]:
        """The Steps of its last attempt."""
        return tuple(self.state.last.steps) if self.state.last is not None else ()

    @property
    def failed(self) -> bool:
        """Whether it did not succeed, though it should have."""
        return self.state.status in ("Failed", "TimedOut")


@dataclass(frozen=True)
class RecordedRun:
    """A run as it was recorded. ``ended`` is when it ended, or the time of its last event."""

    record: Record
    plan: Plan
    tasks: tuple[TaskRun, ...]
    warnings: tuple[RunWarning, ...]
    given_back: tuple[CapacityGivenBack, ...]
    document: dict[str, Any] | None
    ended: float

    @property
    def header(self) -> Header:
        """What was known when it started."""
        return self.record.header

    @property
    def started(self) -> float:
        """When it started."""
        return self.record.header.started

    @property
    def is_end_known(self) -> bool:
        """Whether it is known how long it took, or takes so far."""
        return self.record.ended is not None or self.record.status == "Running"

    @property
    def message(self) -> str:
        """Why it ended as it did, for people."""
        return "the run is still active" if self.record.status == "Running" else outcome_of(self.record).message

    @property
    def reason(self) -> str:
        """Tekton's reason."""
        return self.record.ended.reason if self.record.ended is not None else self.record.status

    @property
    def params(self) -> tuple[tuple[str, Value], ...]:
        """The params of the run."""
        return tuple((param.name, param.value) for param in self.plan.pipeline.params)

    @property
    def results(self) -> tuple[tuple[str, Value], ...]:
        """The Results of the run."""
        return results_of((self.document or {}).get("status", {}))

    @cached_property
    def by_label(self) -> Mapping[str, TaskRun]:
        """The Task instances by their labels."""
        return {task.label: task for task in self.tasks}

    def lines(self) -> Iterator[tuple[Source, Line] | None]:
        """Yield the output in the order in which it was read, and None where a part was not kept."""
        directory = self.record.directory
        prefix = f"{store.OUTPUT_FILE}."
        endings = (path.name[len(prefix) :] for path in directory.glob(f"{prefix}*"))
        numbers = sorted(int(ending) for ending in endings if re.fullmatch("[0-9]{1,9}", ending))
        previous = -1
        for number in numbers:
            if number != previous + 1:
                yield None
            previous = number
            with contextlib.suppress(OSError):
                yield from _lines_of((directory / f"{prefix}{number}").read_bytes())


def outcome_of(record: Record) -> Outcome:
    """Return how a recorded run ended that nobody records any more."""
    problem = incomplete_because(record)
    if record.ended is None:
        return Outcome("Unknown", "OutcomeUnknown", problem)
    message = record.ended.message
    if problem:
        message = f"{message or record.ended.status}; the record is incomplete: {problem}"
    return Outcome(record.ended.status, record.ended.reason, message, lacks_events=bool(problem))


def incomplete_because(record: Record) -> str:
    """Return why the record of a run that nobody records any more lacks the end of the run; empty if it does not."""
    if record.ended is not None:
        return record.ended.problem
    return "it was detached" if record.header.is_detached else "the process that followed the run was killed"


def read_run(record: Record) -> RecordedRun:
    """Read a record. Raises RecordError."""
    plan, events = read_plan(record), read_events(record)
    try:
        return make_run(record, plan, events)
    except (KeyError, TypeError, AttributeError) as error:
        # the events do not fit the Plan, or Tekton's shape
        raise RecordError(f"the record of '{record.identity}' is damaged: {type(error).__name__} {error}") from error


def read_plan(record: Record) -> Plan:
    """Read the Plan of a recorded run. Raises RecordError."""
    try:
        return planned.decode((record.directory / store.PLAN_FILE).read_text("ascii").splitlines())
    except OSError as error:
        raise RecordError(f"cannot read the record of '{record.identity}': {error}") from error
    except ValueError as error:
        version = record.header.version
        raise RecordError(f"cannot read the Plan of '{record.identity}', recorded by monopod {version}") from error


def read_events(record: Record) -> tuple[RunEvent, ...]:
    """Read the events of a recorded run. Raises RecordError."""
    try:
        return tuple(_events((record.directory / store.EVENTS_FILE).read_bytes()))
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read the record of '{record.identity}': {error}") from error


def make_run(record: Record, plan: Plan, events: tuple[RunEvent, ...]) -> RecordedRun:
    """Return the run of a Plan with these events."""
    progress = progress_of(plan, events)
    last = record.ended.at if record.ended is not None else events[-1].at if events else record.header.started
    document = None if progress.finished is None else progress.finished.document
    if record.ended is not None:
        document = completed(ended_document(plan, progress, outcome_of(record), record.ended.at), plan, {})
        if not record.ended.problem:
            end_unfinished(progress.tasks, record.ended.status, record.ended.reason, record.ended.at)
    places = {planned_task.path: planned_task.task for planned_task in planned.walk(plan.pipeline)}
    below = _labels_below(progress.tasks)
    values = Values(plan, record.header, document or run_document(plan, progress, {}, last), progress.tasks)
    tasks = tuple(
        TaskRun(
            state,
            places.get(state.path),
            tuple(dict.fromkeys(label for path in _waited_for(state, plan.pipeline, places) for label in below[path])),
            values.params(state, places.get(state.path)),
            values.results(state.path, state.index),
            values.display_name(state.path, state.index),
        )
        for state in progress.tasks
    )
    return RecordedRun(
        record,
        plan,
        tasks,
        tuple(progress.warnings),
        tuple(progress.given_back),
        document,
        max(last, record.header.started),
    )


def _events(data: bytes) -> Iterator[RunEvent]:
    *whole, _ = data.split(b"\n")
    for line in whole:
        yield from_line(line.decode("utf-8", "replace"))


def _lines_of(data: bytes) -> Iterator[tuple[Source, Line]]:
    *whole, _ = data.decode("utf-8", "replace").split("\n")
    for entry in map(parse_line, whole):
        if entry is not None and not isinstance(entry, EventPlace):
            yield entry


# What the Plan says of a Task instance


def _labels_below(states: tuple[TaskState, ...]) -> dict[str, list[str]]:
    """Return the labels of all instances, by the paths of their Tasks and of the Pipelines around them."""
    labels: dict[str, list[str]] = {}
    for state in states:
        parts = state.path.split("/")
        for depth in range(1, len(parts) + 1):
            labels.setdefault("/".join(parts[:depth]), []).append(state.label)
    return labels


def _waited_for(state: TaskState, pipeline: planned.Pipeline, places: Mapping[str, planned.Task]) -> Iterator[str]:
    """Yield the paths of the Tasks that `state` waited for. A `finally` Task waits for all `tasks` of its Pipeline."""
    yield from state.after
    prefix = ""
    inner: planned.Pipeline | None = pipeline
    for part in state.path.split("/"):
        if inner is not None and part in {task.name for task in inner.final_tasks}:
            yield from (prefix + task.name for task in inner.tasks)
        prefix += part
        inner = places[prefix].pipeline
        prefix += "/"


def finished_document(run: RecordedRun) -> dict[str, Any]:
    """Return the finished PipelineRun or TaskRun. Raises RecordError if the run was not followed to its end."""
    if run.document is None:
        raise RecordError(f"the record of '{run.record.identity}' is incomplete: {run.message}")
    return run.document
