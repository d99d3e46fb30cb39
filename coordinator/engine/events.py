"""What the engine is told (events) and what it wants done (commands): the language between it and the world.

Rules:

- An event carries the time at which it was noticed (``at``, seconds since the epoch); the engine has no other clock.
- Events are plain data, so that the journal of a run is the list of them and a replay gives the same commands.
- They are named tuples, which Python makes in a fifth of the time of dataclasses: the coordinator starts 40 ms earlier.
  Tell them apart by their type: two of different types that hold the same are equal.
- Every command may be carried out twice (after a restart the last ones are), with the same effect as once.

What is left to others: what follows from an event (``engine``), turning files into events and commands into files
(``shell``).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias

from monopod.schemas.plan import Probe
from monopod.schemas.run_events import CancelMode, RunEvent

# Events


class Begun(NamedTuple):
    """The first event: the run starts, under this name.

    ``monotonic`` is what the machine's monotonic clock said at the time `at`.
    """

    at: float
    name: str
    namespace: str
    uid: str
    monotonic: float = 0


class ContainerReady(NamedTuple):
    """The entrypoint of a container is there and takes requests."""

    at: float
    container: str


class ContainerDied(NamedTuple):
    """A container is gone for good without having been released: its entrypoint was killed, or never started.

    A ``reason`` says that it never started and why, in Kubernetes' word (``ImagePullBackOff``,
    ``CreateContainerConfigError``, ``StartError`` …); ``message`` is what goes with it. Without one it was killed.
    """

    at: float
    container: str
    reason: str = ""
    message: str = ""


class Exit(NamedTuple):
    """How a request ended, as `exited.N` says (docs/control-directory.md). Exactly one of code and signal is set.

    ``mark`` is the token of the mark at the end of its output: empty if nothing ran, so that there is no output, and
    None if there is no mark. ``left`` names the processes that it left behind and that cannot be killed. ``next`` is
    the number of the request that the entrypoint runs next, 0 if it does not say.
    """

    code: int | None = None
    signal: int | None = None
    error: str = ""
    start: float = 0
    end: float = 0
    cpu: float = 0
    peak: int = 0
    out_of_memory: bool = False
    mark: str | None = None
    left: str = ""
    next: int = 0


class StepExited(NamedTuple):
    """Request `request` of a container has ended."""

    at: float
    container: str
    request: int
    exit: Exit


class ResultsRead(NamedTuple):
    """The files asked for with ReadResults: by path, the content of each one that is there.

    ``problems`` holds, by path, why one that is there was not read; ``too_large``: one of them was for its size.
    """

    at: float
    slot: str
    files: dict[str, str]
    problems: dict[str, str]
    too_large: bool = False


class ProbeEnded(NamedTuple):
    """The answer to RunProbe or TryConnection: whether the Sidecar is ready, as far as this try says."""

    at: float
    container: str
    request: int
    succeeded: bool


class CelEvaluated(NamedTuple):
    """The answer to EvaluateCel `number`: the expression's truth, or why it has none (``problem``)."""

    at: float
    number: int
    truth: bool
    problem: str = ""


class TimerFired(NamedTuple):
    """A timer set with SetTimer has come."""

    at: float
    timer: str


class CancelRequested(NamedTuple):
    """Somebody wants the run to end (Tekton docs/pipelineruns.md, "Cancelling a PipelineRun" and the next two)."""

    at: float
    mode: CancelMode


Event: TypeAlias = (
    Begun
    | ContainerReady
    | ContainerDied
    | StepExited
    | ResultsRead
    | ProbeEnded
    | CelEvaluated
    | TimerFired
    | CancelRequested
)

_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Begun,
        ContainerReady,
        ContainerDied,
        StepExited,
        ResultsRead,
        ProbeEnded,
        CelEvaluated,
        TimerFired,
        CancelRequested,
    )
}


def event_to_line(event: Event) -> str:
    """Return an event as one line of JSON, without the newline."""
    fields = event._asdict()
    if isinstance(event, StepExited):
        fields["exit"] = event.exit._asdict()
    return _ENCODER.encode({"event": type(event).__name__, **fields})


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def event_from_line(line: str) -> Event:
    """Return the event of a line that `event_to_line` made. Raises ValueError for any other line."""
    try:
        fields = json.loads(line)
        kind = _EVENTS[fields.pop("event")]
        if kind is StepExited:
            fields["exit"] = Exit(**fields["exit"])
        event: Event = kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event of the engine: {line[:80]!r}") from error
    return event


# Commands


class RunStep(NamedTuple):
    """Write `run.N`: run `arguments` in a container, as its request `request`.

    ``script`` is a text to be written to the slot's scripts, readable and executable, under ``script_name``; the
    arguments then start with its path in the container. ``fresh``: this starts an attempt, so what an earlier attempt
    left in the slot's `/tekton/results`, `steps`, `home`, `artifacts` and `run` is removed first (in
    Tekton a retry has a Pod of its own). ``directories`` are made (mode 0777), ``readable`` made readable for the
    coordinator when the request has ended; both are paths in the container, below `/tekton`. ``is_marked``: a mark is
    written at the end of its output.
    """

    slot: str
    container: str
    request: int
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str | None = None
    stdout_path: str | None = None
    stderr_path: str | None = None
    script_name: str | None = None
    script: str | None = None
    fresh: bool = False
    directories: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    is_marked: bool = False


class StopStep(NamedTuple):
    """Write `kill.N`: SIGTERM to a request, SIGKILL after `grace` seconds."""

    container: str
    request: int
    grace: float


class ReadResults(NamedTuple):
    """Read these files (paths in the slot's containers, below `/tekton`) and answer with ResultsRead."""

    slot: str
    paths: tuple[str, ...]


class EvaluateCel(NamedTuple):
    """Evaluate a CEL expression and answer with CelEvaluated, under the same number.

    What comes out may depend on chance (the order of maps) and on the machine (its time and memory): the answer in the
    journal is the one that counts.
    """

    number: int
    expression: str


class WriteFile(NamedTuple):
    """Write a small text to a file below the slot's `/tekton` for later Steps to read, such as a Step's exit code."""

    slot: str
    path: str
    text: str


class RunProbe(NamedTuple):
    """Write `run.N`: run the command of a readinessProbe in a Sidecar's container; answer with ProbeEnded."""

    slot: str
    container: str
    request: int
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str | None = None


class TryConnection(NamedTuple):
    """Try the HTTP or TCP readinessProbe of a Sidecar; answer with ProbeEnded. ``request`` is the Sidecar's own."""

    container: str
    request: int
    probe: Probe


class SetTimer(NamedTuple):
    """Answer with TimerFired at the time `at`; one of the same name is replaced."""

    timer: str
    at: float


class ClearTimer(NamedTuple):
    """Forget a timer."""

    timer: str


class ReleaseContainer(NamedTuple):
    """The container is needed no more: let its entrypoint exit with `code`."""

    container: str
    code: int


class Report(NamedTuple):
    """Tell whoever follows the run."""

    event: RunEvent


class Finish(NamedTuple):
    """The run is over, with this exit code for the coordinator: 0 Succeeded or Completed, 1 anything else."""

    code: int


Command: TypeAlias = (
    RunStep
    | StopStep
    | ReadResults
    | EvaluateCel
    | WriteFile
    | RunProbe
    | TryConnection
    | SetTimer
    | ClearTimer
    | ReleaseContainer
    | Report
    | Finish
)
