"""What is known of a run at a moment: Pipelines, their Tasks, the instances and attempts of a Task, its Steps.

Rules: plain records, changed by the engine alone and read by ``status``; times are seconds since the epoch. No logic
beyond what follows from a record by itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from monopod.entrypoint.artifacts import Artifacts
from monopod.entrypoint.when import TruthOf
from monopod.schemas.plan import Pipeline, Slot, Step, Task, Value, WhenExpression
from monopod.schemas.run_events import CancelMode, FinalStatus
from monopod.schemas.variables import Budget, Path, Scope

TaskPhase: TypeAlias = Literal["Waiting", "Running", "Skipped", "Invalid"] | FinalStatus
"""`Invalid`: it could not start, since what it refers to does not exist; it counts as a failure."""

MOST_CHARACTERS = 256 * 1024 * 1024
"""How much text may come of the values of references in a Pipeline, and in an attempt. Those of a Task are 8 MiB."""


def scope_of_its_own(values: dict[Path, Value], outer: Scope | None = None) -> Scope:
    """Return the scope of a Pipeline or of an attempt, with room for as much text as it may need."""
    return Scope(values, outer, budget=Budget(MOST_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt, a Task or a Pipeline ended. ``reason`` and ``message`` are those of Tekton's condition."""

    status: FinalStatus
    reason: str
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the condition Succeeded is true."""
        return self.status == "Succeeded"


@dataclass(slots=True, eq=False)
class StepState:
    """A Step in one attempt. ``request`` is 0 until it is started; ``reason`` is empty until it has ended."""

    plan: Step
    container: str
    request: int = 0
    scope: Scope | None = None
    timed_out: bool = False
    tolerated: bool = False
    started: float = 0
    start: float = 0
    end: float = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    results: dict[str, Value] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=Artifacts)


@dataclass(slots=True, eq=False)
class AttemptState:
    """One attempt of a Task instance. ``begun`` once a request was made; ``position`` counts the Steps that
    are over.

    ``ending`` is how it will end once its Results are read (``collected``); ``stop`` how it will because it is cut off.
    """

    number: int
    started: float
    steps: list[StepState]
    values: dict[Path, Value]
    scope: Scope
    position: int = 0
    sidecar_requests: dict[str, int] = field(default_factory=dict)
    sidecars_awaited: set[str] = field(default_factory=set)
    sidecars_running: set[str] = field(default_factory=set)
    begun: bool = False
    collected: bool = False
    stop: Outcome | None = None
    ending: Outcome | None = None
    outcome: Outcome | None = None
    finished: float = 0
    results: dict[str, Value] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=Artifacts)


@dataclass(slots=True, eq=False)
class InstanceState:
    """One run of a Task: what is a TaskRun in Tekton. ``index`` and ``params`` are those of a matrix combination.

    ``cancelled``: no further attempt follows, however the present one ends.
    """

    task: TaskState
    name: str
    index: int | None
    params: dict[str, str]
    slot: Slot | None = None
    attempts: list[AttemptState] = field(default_factory=list)
    cancelled: bool = False
    outcome: Outcome | None = None

    @property
    def attempt(self) -> AttemptState:
        """The latest attempt."""
        return self.attempts[-1]


@dataclass(slots=True, eq=False)
class TaskState:
    """A PipelineTask. ``blockers`` counts the Tasks it waits for, ``unfinished`` its instances without an outcome.

    ``clearing`` are instances that have ended, but for Sidecars in a slot that others wait for.
    """

    plan: Task
    pipeline: PipelineState
    final: bool
    blockers: int
    dependents: list[TaskState] = field(default_factory=list)
    phase: TaskPhase = "Waiting"
    reason: str = ""
    message: str = ""
    when: tuple[WhenExpression, ...] = ()
    instances: list[InstanceState] = field(default_factory=list)
    queue: deque[InstanceState] = field(default_factory=deque)
    free_slots: list[Slot] = field(default_factory=list)
    clearing: list[InstanceState] = field(default_factory=list)
    unfinished: int = 0
    child: PipelineState | None = None

    @property
    def path(self) -> str:
        """The names of the PipelineTasks that lead to this one, joined by slashes."""
        return f"{self.pipeline.path}{self.plan.name}"

    @property
    def root(self) -> str:
        """The first word of references to it."""
        return "finally" if self.final else "tasks"

    @property
    def failed(self) -> bool:
        """Whether it ran, or should have, and did not succeed; onError is not looked at."""
        return self.phase in ("Failed", "Cancelled", "TimedOut", "Invalid")

    @property
    def tolerated(self) -> bool:
        """Whether its failure is not the Pipeline's (Tekton docs/pipelines.md, "Using the onError field")."""
        return self.plan.on_error == "continue"

    @property
    def forgiven(self) -> bool:
        """Whether its failure cannot make the run fail: it, or a Pipeline that it is part of, is tolerated."""
        parent = self.pipeline.parent
        return self.tolerated or (parent is not None and parent.forgiven)


@dataclass(slots=True, eq=False)
class PipelineState:
    """A Pipeline, the run's own or one in the place of a PipelineTask (then ``parent``).

    ``path`` is empty or ends with a slash. ``values`` is what ``scope`` looks up first, and grows with each Result.
    ``unfinished`` counts the Tasks of the present phase that are not done. ``truth_of`` evaluates CEL.
    """

    plan: Pipeline
    name: str
    path: str
    parent: TaskState | None
    values: dict[Path, Value]
    scope: Scope
    started: float
    truth_of: TruthOf
    tasks: dict[str, TaskState] = field(default_factory=dict)
    final_tasks: dict[str, TaskState] = field(default_factory=dict)
    phase: Literal["Tasks", "Finally", "Done"] = "Tasks"
    unfinished: int = 0
    stopping: bool = False
    cancel: CancelMode | None = None
    timed_out: Literal["", "pipeline", "tasks", "finally"] = ""
    finally_started: float | None = None
    finished: float = 0
    outcome: Outcome | None = None
    results: dict[str, Value] = field(default_factory=dict)

    def all_tasks(self) -> list[TaskState]:
        """All PipelineTasks in the order of the Pipeline, those of `finally` last."""
        return [*self.tasks.values(), *self.final_tasks.values()]
