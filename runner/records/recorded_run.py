"""A recorded run as whatever tells of it reads it: its Tasks, their attempts and Steps, params, Results and output.

Rules:

- A record may stop anywhere, since whoever wrote it may have been killed: a last line that is not whole is left out,
  and what had not ended has no end.
- Tasks are Task instances: a Task with a matrix is as many as it has combinations, a Pipeline inside it those of that.
- Times are seconds since the epoch.

What is left to others: finding records (``store``), the values of params and Results (``values``), what follows from
the times (``reports.time_spent``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.follower import Follower, TaskState
from monopod.runner.follow.unfinished import ended_document
from monopod.runner.records import store
from monopod.runner.records.store import Header, Record, RecordError
from monopod.runner.records.values import Values, results_of
from monopod.schemas import plan as planned
from monopod.schemas.plan import Plan, Value
from monopod.schemas.run_events import (
    RunEvent,
    RunWarning,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskStarted,
    from_line,
)

_TIME = re.compile(r"\d{1,11}(\.\d{1,9})?")
"""Seconds since the epoch, as the recorder writes them."""

NOT_FAILURES = ("Completed", "Continued", "Skipped", "Cancelled", "")
"""The reasons of Steps that did not fail their Task; empty: it has not ended."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """A Step in one attempt. ``asked`` is when it was to start, ``start`` and ``end`` are those of its program.

    ``reason`` is that of StepFinished, empty if it has not ended. ``cpu`` is in seconds, ``peak`` in KiB.
    """

    name: str
    container: str
    asked: float
    start: float | None = None
    end: float | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    cpu: float = 0
    peak: int = 0

    @property
    def failed(self) -> bool:
        """Whether it failed its Task."""
        return self.reason not in NOT_FAILURES

    @property
    def seconds(self) -> float | None:
        """How long its program ran; None if it never did, or has not ended."""
        return None if self.start is None or self.end is None else self.end - self.start


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a Task instance, with the Steps that were started or skipped in it."""

    number: int
    slot: str
    started: float
    ended: float | None = None
    status: str = "Running"
    reason: str = ""
    message: str = ""
    steps: tuple[StepRun, ...] = ()


Attempts: TypeAlias = dict[tuple[str, int | None], dict[int, Attempt]]
"""By the path and index of a Task instance, and their numbers."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A Task instance. ``before`` are the labels of those it waited for; ``params`` include those of its matrix.

    ``display_name`` is what the author calls it.
    """

    state: TaskState
    planned: planned.Task | None
    before: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    params: tuple[tuple[str, Value], ...]
    results: tuple[tuple[str, Value], ...]
    display_name: str = ""

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.state.label

    @property
    def steps(self) -> tuple[StepRun, ...]:
        """The Steps of its last attempt."""
        return self.attempts[-1].steps if self.attempts else ()

    @property
    def failed(self) -> bool:
        """Whether it did not succeed, though it should have."""
        return self.state.status in ("Failed", "TimedOut")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output, and when it was read."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """What wrote a line: a Step or Sidecar (``step``) in an attempt of a Task instance."""

    task: str
    step: str
    attempt: int


@dataclass(frozen=True)
class RecordedRun:
    """A run as it was recorded. ``ended`` is when it ended, or when the last was heard of it."""

    record: Record
    plan: Plan
    tasks: tuple[TaskRun, ...]
    warnings: tuple[RunWarning, ...]
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
    def message(self) -> str:
        """Why it ended as it did, in words."""
        if self.record.ended is not None:
            return self.record.ended.message
        return "the run is still active" if self.record.is_locked else "the process that followed the run was killed"

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
        """Yield the output in the order in which it was read; None where a part of it was not kept."""
        directory = self.record.directory
        prefix = f"{store.OUTPUT_FILE}."
        endings = (each.name[len(prefix) :] for each in directory.glob(f"{prefix}*"))
        numbers = sorted(int(each) for each in endings if re.fullmatch("[0-9]{1,9}", each))
        previous = -1
        for number in numbers:
            if number != previous + 1:
                yield None
            previous = number
            with contextlib.suppress(OSError):
                yield from _lines_of((directory / f"{prefix}{number}").read_bytes())


def read_run(record: Record) -> RecordedRun:
    """Read a record. Raises RecordError."""
    try:
        pieces = (record.directory / store.PLAN_FILE).read_text("ascii").splitlines()
        events = tuple(_events((record.directory / store.EVENTS_FILE).read_bytes()))
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read the record of '{record.identity}': {error}") from error
    try:
        plan = planned.decode(pieces)
    except ValueError as error:
        version = record.header.version
        raise RecordError(f"cannot read the Plan of '{record.identity}', recorded by monopod {version}") from error
    try:
        return made_of(record, plan, events)
    except (KeyError, TypeError, AttributeError) as error:  # what happened fits no Plan, or has not Tekton's shape
        raise RecordError(f"the record of '{record.identity}' is damaged: {type(error).__name__} {error}") from error


def made_of(record: Record, plan: Plan, events: tuple[RunEvent, ...]) -> RecordedRun:
    """Return the run that these events tell of."""
    follower = Follower(plan)
    attempts: Attempts = {}
    for event in events:
        follower.event(event)
        _note(event, attempts)
    finished = follower.finished
    last = record.ended.at if record.ended is not None else events[-1].at if events else record.header.started
    document = None if finished is None else finished.document
    if record.ended is not None:
        outcome = Outcome(record.ended.status, record.ended.reason, record.ended.message)
        document = completed(ended_document(plan, events, outcome, record.ended.at), plan, {})
    places = {each.path: each.task for each in planned.walk(plan.pipeline)}
    below = _labels_below(follower.tasks)
    states = _ended_with_run(follower.tasks, is_over=record.ended is not None)
    values = Values(plan, record.header, document or {}, states)
    tasks = tuple(
        TaskRun(
            state,
            places.get(state.path),
            tuple(dict.fromkeys(each for path in _waited_for(state, plan.pipeline, places) for each in below[path])),
            tuple(attempts.get((state.path, state.index), {}).values()),
            values.params(state, places.get(state.path)),
            values.results(state.path, state.index),
            values.display_name(state.path, state.index),
        )
        for state in states
    )
    warnings = tuple(event for event in events if isinstance(event, RunWarning))
    return RecordedRun(record, plan, tasks, warnings, document, max(last, record.header.started))


def _events(data: bytes) -> Iterator[RunEvent]:
    *whole, _ = data.split(b"\n")
    for line in whole:
        yield from_line(line.decode("utf-8", "replace"))


def _lines_of(data: bytes) -> Iterator[tuple[Source, Line]]:
    *whole, _ = data.decode("utf-8", "replace").split("\n")
    sources: dict[tuple[str, str, str], Source] = {}
    for line in whole:
        fields = line.split("\t", 4)
        if len(fields) == 5 and _TIME.fullmatch(fields[0]) and fields[3].isdecimal():  # else it is damaged
            at, task, step, attempt, text = fields
            source = sources.get((task, step, attempt))
            if source is None:
                source = sources[task, step, attempt] = Source(task, step, int(attempt))
            yield source, Line(float(at), text)


def _note(event: RunEvent, attempts: Attempts) -> None:
    """Keep what an event tells of an attempt."""
    match event:
        case TaskStarted():
            attempt = Attempt(event.attempt, event.slot, event.at)
            attempts.setdefault((event.task, event.index), {})[event.attempt] = attempt
        case TaskFinished():
            _change(event, attempts, ended=event.at, status=event.status, reason=event.reason, message=event.message)
        case StepStarted():
            _add_step(event, attempts, StepRun(event.step, event.container, event.at))
        case StepFinished():
            _add_step(event, attempts, _finished_step(event))
        case _:
            pass


def _finished_step(event: StepFinished) -> StepRun:
    ran = event.start > 0
    return StepRun(
        event.step,
        event.container,
        event.at,
        event.start if ran else None,
        event.end if ran else None,
        event.exit_code,
        event.reason,
        event.message,
        event.cpu,
        event.peak,
    )


def _change(event: TaskFinished | StepStarted | StepFinished, attempts: Attempts, **changes: object) -> None:
    of_task = attempts.get((event.task, event.index), {})
    if event.attempt in of_task:  # a Task that could not even start has no attempt
        of_task[event.attempt] = dataclasses.replace(of_task[event.attempt], **changes)  # type: ignore[arg-type]


def _add_step(event: StepStarted | StepFinished, attempts: Attempts, step: StepRun) -> None:
    attempt = attempts.get((event.task, event.index), {}).get(event.attempt)
    if attempt is not None:
        asked = next((each.asked for each in attempt.steps if each.name == step.name), step.asked)
        others = tuple(each for each in attempt.steps if each.name != step.name)
        _change(event, attempts, steps=(*others, dataclasses.replace(step, asked=asked)))


def _ended_with_run(states: tuple[TaskState, ...], *, is_over: bool) -> tuple[TaskState, ...]:
    """Return the Tasks; those that had not ended when the run did are neither waiting nor running any more."""
    return tuple(
        dataclasses.replace(state, status="Cancelled", message="still running when the run ended")
        if is_over and state.status == "Running"
        else state
        for state in states
    )


# What the Plan says of a Task instance


def _labels_below(states: tuple[TaskState, ...]) -> dict[str, list[str]]:
    """Return the labels of all instances by the paths of their Tasks, and of the Pipelines that these are part of."""
    labels: dict[str, list[str]] = {}
    for state in states:
        parts = state.path.split("/")
        for depth in range(1, len(parts) + 1):
            labels.setdefault("/".join(parts[:depth]), []).append(state.label)
    return labels


def _waited_for(state: TaskState, pipeline: planned.Pipeline, places: Mapping[str, planned.Task]) -> Iterator[str]:
    """Yield the paths of the Tasks that `state` waited for: what is in `finally` waits for all others beside it."""
    yield from state.after
    prefix = ""
    inner: planned.Pipeline | None = pipeline
    for part in state.path.split("/"):
        if inner is not None and part in {each.name for each in inner.final_tasks}:
            yield from (prefix + each.name for each in inner.tasks)
        prefix += part
        inner = places[prefix].pipeline
        prefix += "/"


def finished_document(run: RecordedRun) -> dict[str, Any]:
    """Return the finished PipelineRun or TaskRun. Raises RecordError if the run was not followed to its end."""
    if run.document is None:
        raise RecordError(f"the record of '{run.record.identity}' is incomplete: {run.message}")
    return run.document
