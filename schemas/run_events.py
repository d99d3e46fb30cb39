"""The events of a run, which the coordinator reports and the runner reads: one JSON object per line.

- Standard library only, since the coordinator imports it.
- Times are seconds since the epoch.
- ``task`` is the path of the PipelineTask: ``build``, or ``scan/codeql`` inside the Pipeline that ``scan`` runs.
  ``index`` is the number of the matrix combination, or None. People see the combination's name (``MatrixExpanded``)
  instead of the number.
- ``attempt`` counts from 0, as Tekton's ``$(context.task.retry-count)``.

What they add up to: ``run_progress``. How they read in a log: ``run_log``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from monopod.schemas.formats.plain_data import made_from
from monopod.schemas.formats.words import describe_exit_code, describe_out_of_memory, format_duration
from monopod.system import foreign_json

CancelMode: TypeAlias = Literal["Cancelled", "CancelledRunFinally", "StoppedRunFinally"]
FinalStatus: TypeAlias = Literal["Succeeded", "Failed", "Cancelled", "TimedOut"]

CANNOT_START = 2
"""The exit code of a coordinator that can never start this run: its arguments are wrong, or of another version."""
CANNOT_CONTINUE = 3
"""The exit code of a coordinator that cannot keep its journal. A restarted one may be able to continue."""


class RunStarted(NamedTuple):
    """The coordinator has started the run."""

    at: float
    name: str
    namespace: str
    uid: str


class MatrixExpanded(NamedTuple):
    """The combinations of a Task's matrix are known. ``names`` are their names for people (`matrix_names`), in order.

    It precedes all other events of the combinations.
    """

    at: float
    task: str
    names: list[str]


class TaskStarted(NamedTuple):
    """An attempt of a Task instance has started in ``slot``. ``params`` are the params of its matrix combination."""

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    slot: str
    params: dict[str, str]


class StepStarted(NamedTuple):
    """The entrypoint of ``container`` was asked to run a Step.

    ``is_marked``: the end of its output will be marked. ``title``: what the entrypoint writes into the log of the
    container before the Step's output (docs/control-directory.md, "Titles"); empty if that has no title.
    """

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    step: str
    container: str
    is_marked: bool = False
    title: str = ""


class StepFinished(NamedTuple):
    """A Step has ended. ``reason`` is Completed, Error, Continued, TimedOut, Cancelled, Skipped or OOMKilled.

    ``message`` says what went wrong; it is empty if nothing did. ``start`` and ``end`` are the entrypoint's times of
    exec and exit; ``cpu`` is user + system seconds and ``peak`` the maximum resident set in KiB.
    ``mark`` is the token of the mark at the end of its output (docs/control-directory.md). It is empty if nothing ran.
    It is None if the output has no mark: then the output ends with the container, or with its life.
    """

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
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
    mark: str | None = None


class StepHeld(NamedTuple):
    """A breakpoint holds a Step in its container: before it starts or, if it ``has_failed``, after it did.

    ``exit_code`` and ``message`` are those of the failure. ``mark`` is as in StepFinished, which repeats it: its output
    has ended. The clocks of the timeouts of its Task and run stop.
    """

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    step: str
    container: str
    has_failed: bool
    exit_code: int = 0
    message: str = ""
    mark: str | None = ""


class StepReleased(NamedTuple):
    """A Step is not held any more. ``verdict`` is ``continue`` or ``fail``; empty if the hold was cut off."""

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    step: str
    container: str
    verdict: str = ""


class SidecarStarted(NamedTuple):
    """The entrypoint of ``container`` was asked to run a Sidecar. ``title`` is as in StepStarted."""

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    sidecar: str
    container: str
    title: str = ""


class ContainerRestarted(NamedTuple):
    """A container that was killed accepts requests again. Nothing that ran in it runs on.

    ``life`` counts its starts, the first included. ``mark`` is the token of the mark that follows the output of all
    earlier lives (docs/control-directory.md), if output is marked.
    """

    at: float
    container: str
    life: int
    mark: str = ""


class OutputEnded(NamedTuple):
    """The request that ran a Sidecar has ended. ``mark`` is as in StepFinished. Reported only if output is marked."""

    at: float
    container: str
    mark: str | None


class SidecarFinished(NamedTuple):
    """A Sidecar has ended by itself, before the Steps of its Task have.

    ``reason`` is Completed, Error or OOMKilled; ``message``, ``start`` and ``end`` are as in StepFinished.
    """

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    sidecar: str
    container: str
    exit_code: int
    reason: str
    message: str
    start: float
    end: float


class TaskFinished(NamedTuple):
    """A Task instance has ended, or, if ``will_retry``, one attempt of it. ``reason`` is Tekton's.

    ``retry_delay``: how many seconds later the next attempt starts, at the earliest. ``results`` are those of a Task
    that succeeded: a run whose end is never reported can be continued with them.
    """

    at: float
    task: str
    index: int | None  # type: ignore[assignment]  # not tuple's method
    attempt: int
    status: FinalStatus
    reason: str
    message: str
    will_retry: bool = False
    retry_delay: float = 0.0
    results: list[Any] = []  # noqa: RUF012  # nobody changes it


class TaskSkipped(NamedTuple):
    """A PipelineTask was skipped; ``reason`` is one of Tekton's SkippingReasons.

    ``message`` says what decided it: the when-expression and its value, the parent, the Result. It may be empty.
    """

    at: float
    task: str
    reason: str
    message: str = ""

    @property
    def why(self) -> str:
        """The reason, and what decided it."""
        return f"{self.reason}: {self.message}" if self.message else self.reason


class RunCancelling(NamedTuple):
    """The run is being cancelled in this way."""

    at: float
    mode: CancelMode


class CapacityGivenBack(NamedTuple):
    """The requests of the Pod were lowered: by ``cpu`` cores and ``memory`` bytes.

    Negative amounts: its node has refused that later.
    """

    at: float
    cpu: float
    memory: int


class RunWarning(NamedTuple):
    """Something the user should know that does not change the outcome."""

    at: float
    message: str


class RunFinished(NamedTuple):
    """The run has ended. ``document`` is the PipelineRun or TaskRun with its ``status``, in Tekton's shape."""

    at: float
    status: FinalStatus
    reason: str
    message: str
    document: dict[str, Any]


if TYPE_CHECKING:

    class _End(Protocol):
        """How a Step or Sidecar ended: its event, or what is kept of it."""

        @property
        def exit_code(self) -> int: ...
        @property
        def reason(self) -> str: ...
        @property
        def message(self) -> str: ...


def describe_given_back(event: CapacityGivenBack) -> str:
    """Describe by how much the requests of the Pod were lowered."""
    cpu, memory = f"{abs(event.cpu):.1f} CPU", f"{abs(event.memory) / 2**30:.1f} GiB of memory"
    if event.cpu < 0 or event.memory < 0:
        return f"the node refused to lower the requests of the Pod by {cpu} and {memory}"
    return f"lowered the requests of the Pod by {cpu} and {memory}"


def could_not_start(end: _End) -> bool:
    """Return whether a Step did not run because its container could not start; the message of its end says why."""
    return end.reason == "Skipped" and end.exit_code != 0 and end.message != ""


def describe_sidecar_end(end: _End) -> str:
    """Describe the end of a Sidecar that its Task still needed."""
    words = describe_out_of_memory() if end.reason == "OOMKilled" else describe_exit_code(end.exit_code)
    if end.message and end.exit_code in (126, 127):  # the message is more exact than the meaning of the exit code
        words = f"{end.message} (exit code {end.exit_code})"
    elif words in end.message:
        words = end.message
    elif end.message not in words:
        words += f": {end.message}"
    return f"Sidecar ended before the Steps did: {words}"


def describe_retry(event: TaskFinished) -> str:
    """Describe what follows an attempt after which there is another one."""
    return f"retrying in {format_duration(event.retry_delay)}" if event.retry_delay else "retrying"


def describe_hold(event: StepHeld) -> str:
    """Describe where a Step is held."""
    if event.has_failed:
        return f"held after it failed ({event.message or describe_exit_code(event.exit_code)})"
    return "held before it starts"


def describe_release(event: StepReleased) -> str:
    """Describe how the hold of a Step ended."""
    words = {"continue": "released to continue", "fail": "released to fail"}
    return f"{words.get(event.verdict, 'not held any more')}; timeouts run again"


def describe_restart(event: ContainerRestarted) -> str:
    """Describe that a container is there again."""
    return f'container "{event.container}" was restarted (restart {event.life - 1})'


RunEvent: TypeAlias = (
    RunStarted
    | MatrixExpanded
    | TaskStarted
    | StepStarted
    | StepFinished
    | StepHeld
    | StepReleased
    | SidecarStarted
    | ContainerRestarted
    | OutputEnded
    | SidecarFinished
    | TaskFinished
    | TaskSkipped
    | RunCancelling
    | CapacityGivenBack
    | RunWarning
    | RunFinished
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(RunEvent)}


def to_line(event: RunEvent) -> str:
    """Return `event` as one line of JSON, without the newline."""
    return json.dumps({"event": type(event).__name__, **event._asdict()}, separators=(",", ":"), ensure_ascii=False)


def from_line(line: str) -> RunEvent:
    """Return the event of a line that `to_line` made. Raises ValueError for any other line."""
    try:
        fields = foreign_json.loads(line)
        event: RunEvent = made_from(_KINDS[fields.pop("event")], fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event of a run: {line[:80]!r}") from error
    return event
