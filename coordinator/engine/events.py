"""Events, which go into the engine, and commands, which come out of it.

Rules:

- An event carries the time at which it was noticed (``at``, seconds since the epoch); the engine has no other clock.
- Events are plain data: the journal of a run is the list of its events, and a replay gives the same commands.
- Events and commands are named tuples, which Python creates in a fifth of the time of dataclasses: the coordinator
  starts 40 ms earlier. Distinguish them by type: two tuples of different types with the same values are equal.
- A command may be executed twice (after a restart the last ones are), with the same effect as once.

Left to others: what follows from an event (``engine``); turning files into events and commands into files (``shell``).
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple, TypeAlias

from monopod.schemas.plan import Probe
from monopod.schemas.run_events import CancelMode, RunEvent

Verdict: TypeAlias = Literal["continue", "fail"]
"""What becomes of a Step that is held. ``fail`` fails it; ``continue`` runs it, or takes its failure as a success."""

# Events


class Begun(NamedTuple):
    """The first event: the run starts. ``monotonic`` is the machine's monotonic clock at the time `at`."""

    at: float
    name: str
    namespace: str
    uid: str
    monotonic: float = 0


class ContainerReady(NamedTuple):
    """The entrypoint of a container accepts requests."""

    at: float
    container: str


class ContainerDied(NamedTuple):
    """A container is gone without having been released: its entrypoint was killed, or never started.

    If it never started, ``reason`` is Kubernetes' reason (``ImagePullBackOff``, ``CreateContainerConfigError``,
    ``StartError`` …) and ``message`` the details. If it was killed, both are empty.
    ``will_restart``: it is gone for now, and kubelet restarts it. Otherwise it is gone for good.
    """

    at: float
    container: str
    reason: str = ""
    message: str = ""
    will_restart: bool = False


class ContainerRestarted(NamedTuple):
    """The entrypoint of a container that died accepts requests again. The container has a fresh root file system.

    ``life`` counts its starts, the first included. ``mark`` is the token of the mark before the output of this life.
    """

    at: float
    container: str
    life: int
    mark: str = ""


class Exit(NamedTuple):
    """How a request ended, from its `exited.N` (docs/control-directory.md). Exactly one of code and signal is set.

    - ``mark``: the token of the mark at the end of its output; empty if nothing ran, None if there is no mark.
    - ``left``: the processes that it left behind and that cannot be killed.
    - ``next``: the number of the request that the entrypoint runs next; 0 if unknown.
    - ``restart``: the entrypoint has exited, so that the container is restarted without what was left behind.
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
    restart: bool = False


class StepExited(NamedTuple):
    """Request `request` of a container has ended."""

    at: float
    container: str
    request: int
    exit: Exit


class ResultsRead(NamedTuple):
    """The answer to ReadResults: the content of each file that exists, by path.

    ``problems``: why a file could not be read, by path. ``too_large``: one of them was too large.
    """

    at: float
    slot: str
    files: dict[str, str]
    problems: dict[str, str]
    too_large: bool = False


class ProbeEnded(NamedTuple):
    """The answer to RunProbe or TryConnection: whether this try succeeded, or why not (``reason``)."""

    at: float
    container: str
    request: int
    succeeded: bool
    reason: str = ""


class CelEvaluated(NamedTuple):
    """The answer to EvaluateCel `number`: the expression's truth, or why it has none (``problem``)."""

    at: float
    number: int
    truth: bool
    problem: str = ""


class TimerFired(NamedTuple):
    """A timer set with SetTimer has expired."""

    at: float
    timer: str


class HoldReleased(NamedTuple):
    """Somebody has released the Step that is held in a container (HoldStep)."""

    at: float
    container: str
    verdict: Verdict


class CancelRequested(NamedTuple):
    """The run is to be cancelled (Tekton docs/pipelineruns.md, "Cancelling a PipelineRun" and the next sections)."""

    at: float
    mode: CancelMode


Event: TypeAlias = (
    Begun
    | ContainerReady
    | ContainerDied
    | ContainerRestarted
    | StepExited
    | ResultsRead
    | ProbeEnded
    | CelEvaluated
    | TimerFired
    | HoldReleased
    | CancelRequested
)

_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Begun,
        ContainerReady,
        ContainerDied,
        ContainerRestarted,
        StepExited,
        ResultsRead,
        ProbeEnded,
        CelEvaluated,
        TimerFired,
        HoldReleased,
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

    - ``script``: written to the slot's scripts, executable, as ``script_name``. The arguments start with its path.
    - ``fresh``: the first request of an attempt. What an earlier attempt left in the slot's `/tekton/results`, `steps`,
      `home`, `artifacts` and `run` is removed first: in Tekton a retry has its own Pod.
    - ``directories``: created with mode 0777. ``readable``: made readable for the coordinator when the request has
      ended. Both are paths in the container, below `/tekton`.
    - ``emptied``: directories that are emptied first, except for what is mounted in them. ``cleaned``: the same, but
      what is older than the container stays, which is the image's.
    - ``title``: the lines that are written before its output (``output_titles``); empty if there are none.
    - ``label``: the Step, as ``TASK/STEP``, if its container also runs others; else empty.
    - ``is_marked``: a mark is written at the end of its output.
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
    emptied: tuple[str, ...] = ()
    cleaned: tuple[str, ...] = ()
    title: str = ""
    label: str = ""
    is_marked: bool = False


class StopStep(NamedTuple):
    """Write `kill.N`: SIGTERM to a request, SIGKILL after `grace` seconds."""

    container: str
    request: int
    grace: float


class HoldStep(NamedTuple):
    """Write `held`: a breakpoint holds the Step of a container. Answer with HoldReleased once somebody releases it.

    ``before``: the request that the Step will be, if it has not run. It prepares the slot's files now.
    """

    slot: str
    container: str
    before: RunStep | None = None


class EndHold(NamedTuple):
    """Remove `held`: the Step of a container is not held any more."""

    container: str


class ReadResults(NamedTuple):
    """Read files (paths in the slot's containers, below `/tekton`) and answer with ResultsRead."""

    slot: str
    paths: tuple[str, ...]


class EvaluateCel(NamedTuple):
    """Evaluate a CEL expression and answer with CelEvaluated, under the same number.

    The answer may depend on chance (the order of maps) and on the machine (time and memory). The one in the journal is
    final.
    """

    number: int
    expression: str


class WriteExitCode(NamedTuple):
    """Write the exit code of a Step into its `/tekton/steps`, for later Steps of the Task.

    ``directory`` is the name of the Step's directory; ``position`` counts the Task's Steps from 0.
    """

    slot: str
    directory: str
    position: int
    code: int


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
    """Answer with TimerFired at the time `at`. A timer of the same name is replaced."""

    timer: str
    at: float


class ClearTimer(NamedTuple):
    """Forget a timer."""

    timer: str


class ReleaseContainer(NamedTuple):
    """Make the entrypoint of a container exit with `code`: the container is no longer needed."""

    container: str
    code: int


class Report(NamedTuple):
    """Report what happened to those who follow the run."""

    event: RunEvent


class Finish(NamedTuple):
    """End the run. The coordinator's exit code is 0 for Succeeded and Completed, else 1."""

    code: int


Command: TypeAlias = (
    RunStep
    | StopStep
    | HoldStep
    | EndHold
    | ReadResults
    | EvaluateCel
    | WriteExitCode
    | RunProbe
    | TryConnection
    | SetTimer
    | ClearTimer
    | ReleaseContainer
    | Report
    | Finish
)
