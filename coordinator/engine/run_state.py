"""The records of a run: Pipelines, their Tasks, a Task's instances, their attempts, and an attempt's Steps.

Rules: plain records. Only the engine changes them; ``status`` reads them. Times are seconds since the epoch. A property
derives from its own record only. No dataclasses: creating them would take a third of the coordinator's start.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from monopod.coordinator.engine.artifacts import Artifacts
from monopod.coordinator.engine.events import Exit, RunStep
from monopod.coordinator.engine.probe_schedule import ProbeSchedule
from monopod.coordinator.engine.when import Guards
from monopod.schemas.plan import ImageProgram, Pipeline, Sidecar, Slot, Step, Task, Value, WhenExpression
from monopod.schemas.run_events import CancelMode, FinalStatus
from monopod.schemas.variables import Budget, Path, Scope

TaskPhase: TypeAlias = Literal["Waiting", "Running", "Skipped", "Invalid"] | FinalStatus
"""`Invalid`: it could not start because it refers to something that does not exist. It counts as failed."""

MOST_CHARACTERS = 256 * 1024 * 1024
"""Limit of the text that replaces references, in a Pipeline and in an attempt. A Task's own values are 8 MiB."""


def scope_of_its_own(values: dict[Path, Value], outer: Scope | None = None) -> Scope:
    """Return the scope of a Pipeline or of an attempt, with its own budget of text."""
    return Scope(values, outer, budget=Budget(MOST_CHARACTERS))


class Outcome(NamedTuple):
    """How an attempt, a Task or a Pipeline ended. ``reason`` and ``message`` are those of Tekton's condition."""

    status: FinalStatus
    reason: str
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the condition Succeeded is true."""
        return self.status == "Succeeded"


class State(Enum):
    """What an attempt waits for. ``attempts`` says what happens in which state."""

    SIDECARS = "the Sidecars start; the Steps wait until all are ready"
    CONTAINER = "the container of the next Step is not there yet"
    GUARDS = "a when-expression of the next Step is being evaluated"
    HELD_BEFORE = "a breakpoint holds the attempt before a Step"
    STEP = "a Step runs"
    HELD_FAILED = "a breakpoint holds the attempt after a Step has failed"
    READING = "the Results of a Step, or of the Task, are being read"
    STOPPING = "the attempt is cut off, and its Step was asked to stop"
    OVER = "the outcome is known; the last Sidecars may still be stopping"


class StepState:
    """A Step in one attempt. ``request`` is 0 until it is started; ``reason`` is empty until it has ended.

    - ``program``: what its image says to run, if that is to run.
    - ``is_released``: it was held before its start, and may start.
    - ``exit``: how its program ended, if it is held after that.
    - ``is_continued``: it failed, was held, and counts as having succeeded.
    """

    attempt: AttemptState

    def __init__(self, plan: Step, container: str, program: ImageProgram | None) -> None:
        self.plan = plan
        self.container = container
        self.program = program
        self.request = 0
        self.scope: Scope | None = None
        self.guards: Guards | None = None
        self.is_released = False
        self.exit = Exit()
        self.is_continued = False
        self.timed_out = False
        self.tolerated = False
        self.out_of_memory = False
        self.started: float = 0
        self.start: float = 0
        self.end: float = 0
        self.exit_code = 0
        self.reason = ""
        self.message = ""
        self.results: dict[str, Value] = {}
        self.artifacts = Artifacts()


class SidecarState:
    """A Sidecar in one attempt. ``request`` is 0 until it is started.

    - ``program``: what its image says to run, if that is to run.
    - ``command``: the request that started it.
    - ``awaited``: the Steps wait for it.
    - ``running``: it was started and has not ended.
    - ``schedule``: when to probe it, if it has a readinessProbe.
    - ``probe``: the number under which the try that is being made answers, 0 if there is none.
    - ``end``: how it ended, if it did while its attempt was not over.
    """

    attempt: AttemptState

    def __init__(self, plan: Sidecar, container: str, program: ImageProgram | None) -> None:
        self.plan = plan
        self.container = container
        self.program = program
        self.request = 0
        self.command: RunStep | None = None
        self.awaited = True
        self.running = False
        self.schedule: ProbeSchedule | None = None
        self.probe = 0
        self.started: float = 0
        self.end: Exit | None = None


class AttemptState:
    """One attempt of a Task instance, the ``number``-th.

    - ``position``: how many Steps are over.
    - ``begun``: a request was made, so what is in the slot's files is this attempt's.
    - ``collected``: its Task's Results were read, or are being read.
    - ``stop``: its outcome because it was cut off, whatever else happens.
    - ``ending``: its outcome once its Results are read. No further Step starts, except those that always run.
    - ``closing``: it has failed, and a Step that always runs was begun. Whatever happens now, ``ending`` counts.
    - ``invalid``: its outcome unless a container failed, because its Results are not what the Task declares.
    """

    def __init__(self, instance: InstanceState, slot: Slot, values: dict[Path, Value], started: float) -> None:
        task = instance.task
        self.instance = instance
        self.slot = slot
        self.number = len(instance.attempts)
        self.state = State.SIDECARS
        self.started = started
        self.steps = [
            StepState(step, container, slot.program_of_step(position))
            for position, (step, container) in enumerate(zip(task.plan.steps, slot.containers, strict=True))
        ]
        self.sidecars = [
            SidecarState(sidecar, container, slot.program_of_sidecar(position))
            for position, (sidecar, container) in enumerate(zip(task.plan.sidecars, slot.sidecars, strict=True))
        ]
        for step in self.steps:
            step.attempt = self
        for sidecar in self.sidecars:
            sidecar.attempt = self
        self.values = values
        self.scope = scope_of_its_own(values, task.pipeline.scope)
        self.position = 0
        self.begun = False
        self.collected = False
        self.stop: Outcome | None = None
        self.ending: Outcome | None = None
        self.closing = False
        self.invalid: Outcome | None = None
        self.outcome: Outcome | None = None
        self.finished: float = 0
        self.results: dict[str, Value] = {}
        self.artifacts = Artifacts()

    @property
    def closes(self) -> bool:
        """Whether it has failed, and a Step that always runs is still to run."""
        if self.ending is None or self.stop is not None or self.collected:
            return False
        return any(step.plan.always for step in self.steps[self.position :])

    @property
    def occupies_slot(self) -> bool:
        """Whether one of its Sidecars is still running."""
        return any(sidecar.running for sidecar in self.sidecars)


class AttemptEnded(NamedTuple):
    """An attempt has its outcome; Sidecars of it may still be stopping."""

    attempt: AttemptState


class SlotCleared(NamedTuple):
    """The last Sidecar of an attempt that was over has ended."""

    attempt: AttemptState


Change: TypeAlias = AttemptEnded | SlotCleared
"""What the engine has to react to when something has happened to an attempt."""


class InstanceState:
    """One run of a Task, a TaskRun in Tekton. ``index`` and ``params`` are those of a matrix combination.

    ``cancelled``: no further attempt follows, however the current one ends.
    ``has_place``: it counts among the TaskRuns that run at the same time.
    """

    def __init__(self, task: TaskState, name: str, index: int | None, params: dict[str, str]) -> None:
        self.task = task
        self.name = name
        self.index = index
        self.params = params
        self.slot: Slot | None = None
        self.attempts: list[AttemptState] = []
        self.cancelled = False
        self.has_place = False
        self.outcome: Outcome | None = None
        self.finished: float = 0

    @property
    def attempt(self) -> AttemptState:
        """The latest attempt."""
        return self.attempts[-1]


class TaskState:
    """A PipelineTask. ``blockers`` counts the Tasks it waits for, ``unfinished`` its instances without an outcome.

    ``clearing``: instances that have ended, whose Sidecars still run in a slot that others wait for.
    ``decisive``: the combination of a matrix whose outcome is the Task's, though others may not have ended.
    """

    def __init__(self, plan: Task, pipeline: PipelineState, final: bool, blockers: int) -> None:
        self.plan = plan
        self.pipeline = pipeline
        self.final = final
        self.blockers = blockers
        self.dependents: list[TaskState] = []
        self.phase: TaskPhase = "Waiting"
        self.reason = ""
        self.message = ""
        self.guards: Guards | None = None
        self.instances: list[InstanceState] = []
        self.queue: deque[InstanceState] = deque()
        self.free_slots: list[Slot] = []
        self.clearing: list[InstanceState] = []
        self.decisive: InstanceState | None = None
        self.unfinished = 0
        self.child: PipelineState | None = None

    @property
    def when(self) -> tuple[WhenExpression, ...]:
        """Its when-expressions as evaluated, without those that refer to a Result that does not exist."""
        return () if self.guards is None else self.guards.evaluated

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
        """Whether it ran, or should have, and did not succeed; regardless of onError."""
        return self.phase in ("Failed", "Cancelled", "TimedOut", "Invalid")

    @property
    def tolerated(self) -> bool:
        """Whether its failure does not fail its Pipeline (Tekton docs/pipelines.md, "Using the onError field")."""
        return self.plan.on_error == "continue"

    @property
    def reused(self) -> bool:
        """Whether it is left out because it succeeded in an earlier run."""
        return self.plan.left_out is not None and self.plan.left_out.reused

    @property
    def forgiven(self) -> bool:
        """Whether its failure cannot make the run fail: it, or a Pipeline that it is part of, is tolerated."""
        parent = self.pipeline.parent
        return self.tolerated or (parent is not None and parent.forgiven)


class PipelineState:
    """A Pipeline: the run's own, or one that the PipelineTask ``parent`` runs.

    ``path`` is empty or ends with a slash. ``values`` are those of ``scope``, and grow with each Result.
    ``unfinished`` counts the Tasks of the current phase that have not ended. ``timed_out``: the timeout that decides
    the outcome; ``finally_timed_out`` is true even if that of the Tasks came first.
    """

    def __init__(
        self,
        plan: Pipeline,
        name: str,
        parent: TaskState | None,
        *,
        values: dict[Path, Value],
        started: float,
    ) -> None:
        self.plan = plan
        self.name = name
        self.path = "" if parent is None else f"{parent.path}/"
        self.parent = parent
        self.values = values
        self.scope = scope_of_its_own(values)
        self.started = started
        self.tasks: dict[str, TaskState] = {}
        self.final_tasks: dict[str, TaskState] = {}
        self.phase: Literal["Tasks", "Finally", "Done"] = "Tasks"
        self.unfinished = 0
        self.stopping = False
        self.cancel: CancelMode | None = None
        self.timed_out: Literal["", "pipeline", "tasks", "finally"] = ""
        self.finally_timed_out = False
        self.finally_started: float | None = None
        self.finished: float = 0
        self.outcome: Outcome | None = None
        self.results: dict[str, Value] = {}

    def all_tasks(self) -> list[TaskState]:
        """Return all PipelineTasks in the order of the Pipeline, `finally` last."""
        return [*self.tasks.values(), *self.final_tasks.values()]
