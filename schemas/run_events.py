"""What happens in a run, as the coordinator tells it and whoever follows the run reads it: one JSON object a line.

Rules:

- Standard library only, since the coordinator imports it.
- Times are seconds since the epoch.
- A Task instance is named by ``task``, the path of its PipelineTask (``"build"``; ``"scan/codeql"`` inside a Pipeline
  that stands in for the PipelineTask ``scan``), and ``index``, the number of the matrix combination or None.
- ``attempt`` counts from 0, as Tekton's ``$(context.task.retry-count)``.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from monopod.schemas.plain_data import made_from

CancelMode: TypeAlias = Literal["Cancelled", "CancelledRunFinally", "StoppedRunFinally"]
FinalStatus: TypeAlias = Literal["Succeeded", "Failed", "Cancelled", "TimedOut"]

CANNOT_GO_ON = 3
"""The exit code of a coordinator that cannot keep its journal: another one may be able to go on where it was."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The coordinator has taken up the Plan."""

    at: float
    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """An attempt of a Task instance has started. ``slot`` is where it runs, ``params`` its matrix params."""

    at: float
    task: str
    index: int | None
    attempt: int
    slot: str
    params: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The entrypoint of ``container`` was told to run a Step."""

    at: float
    task: str
    index: int | None
    attempt: int
    step: str
    container: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A Step has ended. ``reason`` is Completed, Error, Continued, TimedOut, Cancelled, Skipped or OOMKilled.

    ``message`` says in words what went wrong, empty if nothing did. ``start`` and ``end`` are the entrypoint's times of
    exec and exit; ``cpu`` is user + system seconds and ``peak`` the maximum resident set in KiB.
    """

    at: float
    task: str
    index: int | None
    attempt: int
    step: str
    container: str
    exit_code: int
    reason: str
    message: str
    start: float
    end: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A Task instance has ended for good, or (``will_retry``) one attempt of it has. ``reason`` is Tekton's."""

    at: float
    task: str
    index: int | None
    attempt: int
    status: FinalStatus
    reason: str
    message: str
    will_retry: bool = False


@dataclass(frozen=True, slots=True)
class TaskSkipped:
    """A PipelineTask was skipped; ``reason`` is one of Tekton's SkippingReasons."""

    at: float
    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunCancelling:
    """Somebody has asked for the run to be cancelled in this way, and from now on it is."""

    at: float
    mode: CancelMode


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something a person should know that does not change the outcome."""

    at: float
    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended. ``document`` is the PipelineRun or TaskRun with its ``status``, in Tekton's shape."""

    at: float
    status: FinalStatus
    reason: str
    message: str
    document: dict[str, Any]


RunEvent: TypeAlias = (
    RunStarted
    | TaskStarted
    | StepStarted
    | StepFinished
    | TaskFinished
    | TaskSkipped
    | RunCancelling
    | RunWarning
    | RunFinished
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(RunEvent)}


def to_line(event: RunEvent) -> str:
    """Return `event` as one line of JSON, without the newline."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return json.dumps({"event": type(event).__name__, **fields}, separators=(",", ":"), ensure_ascii=False)


def from_line(line: str) -> RunEvent:
    """Return the event of a line that `to_line` made. Raises ValueError for any other line."""
    try:
        fields = json.loads(line)
        event: RunEvent = made_from(_KINDS[fields.pop("event")], fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event of a run: {line[:80]!r}") from error
    return event
