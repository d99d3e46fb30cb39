"""What is known of a run at a moment: the fold of its events.

`RunProgress.apply` takes the events of a run one by one. The coordinator's log, the live view, the records, and the
status of a run that has not ended (``run_document``) all read the same progress.

- Pure: no clock and no I/O. Standard library only, and no dataclasses, since the coordinator imports it.
- Times are seconds since the epoch.
- With a Plan, each of its Tasks is listed from the start, as Waiting. Without one, a Task is listed from its first
  event on.
- The events may begin in the middle of a run: an event adds the Task or attempt that it names.
- A Task that runs a Pipeline is listed as the Tasks of that Pipeline, until an event names the Task itself: it was
  skipped, or could not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from monopod.schemas.matrix_names import InstanceNames, label
from monopod.schemas.plan import Plan, walk
from monopod.schemas.run_events import (
    CancelMode,
    CapacityGivenBack,
    FinalStatus,
    MatrixExpanded,
    RunCancelling,
    RunEvent,
    RunFinished,
    RunStarted,
    RunWarning,
    SidecarFinished,
    StepFinished,
    StepHeld,
    StepReleased,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    could_not_start,
    describe_hold,
    describe_sidecar_end,
)

if TYPE_CHECKING:
    from monopod.schemas.run_status import ResultStatus, WhenStatus

TaskStatus: TypeAlias = Literal["Waiting", "Running", "Skipped"] | FinalStatus

NOT_FAILURES = frozenset({"Completed", "Continued", "Skipped", "Cancelled", ""})
"""The reasons of Steps that did not fail their Task; empty: the Step has not ended."""


class StepRun:
    """A Step in one attempt. ``requested`` is when it was to start; ``start`` and ``end`` are the times of its program.

    ``reason`` comes from StepFinished, empty until the Step has ended. ``cpu`` is in seconds, ``peak`` in KiB.
    ``held`` is how it is held at a breakpoint, while it is. ``results`` and ``artifacts`` are not in the events: only
    the coordinator knows them.
    """

    def __init__(self, name: str, container: str, requested: float) -> None:
        self.name = name
        self.container = container
        self.requested = requested
        self.start: float | None = None
        self.end: float | None = None
        self.exit_code = 0
        self.reason = ""
        self.message = ""
        self.held: StepHeld | None = None
        self.out_of_memory = False
        self.cpu: float = 0
        self.peak = 0
        self.results: Sequence[ResultStatus] = ()
        self.artifacts: dict[str, list[dict[str, Any]]] = {}

    @property
    def activity(self) -> str:
        """What it does, while it has not ended: its name, and whether it is held."""
        return self.name if self.held is None else f"{self.name} {describe_hold(self.held)}"

    @property
    def failed(self) -> bool:
        """Whether it failed its Task."""
        return self.reason not in NOT_FAILURES

    @property
    def could_not_start(self) -> bool:
        """Whether it did not run because its container could not start; ``message`` says why."""
        return could_not_start(self)

    @property
    def seconds(self) -> float | None:
        """How long its program ran; None if it never did, or has not ended."""
        return None if self.start is None or self.end is None else self.end - self.start

    def finish(self, event: StepFinished) -> None:
        """Note how it ended."""
        if event.start > 0:
            self.start, self.end = event.start, event.end
        self.exit_code, self.reason, self.message = event.exit_code, event.reason, event.message
        self.out_of_memory = event.reason == "OOMKilled"
        self.cpu, self.peak = event.cpu, event.peak


class SidecarRun:
    """A Sidecar in one attempt. ``started`` is when it was started, None if it was not, or if that is not known.

    ``reason`` is empty unless the Sidecar ended by itself before its Steps did; ``exit_code``, ``message``, ``start``
    and ``end`` then say how.
    """

    def __init__(self, name: str, container: str, started: float | None = None) -> None:
        self.name = name
        self.container = container
        self.started = started
        self.start: float | None = None
        self.end: float | None = None
        self.exit_code = 0
        self.reason = ""
        self.message = ""

    @property
    def ending(self) -> str:
        """How it ended, for people."""
        return describe_sidecar_end(self)


class Attempt:
    """One attempt of a Task instance, with the Steps that were started or skipped in it.

    ``results`` are in the events only if it succeeded, ``artifacts`` are not: only the coordinator knows them.
    """

    def __init__(self, number: int, started: float, slot: str = "", params: dict[str, str] | None = None) -> None:
        self.number = number
        self.started = started
        self.slot = slot
        self.params = params or {}
        self.ended: float | None = None
        self.status: TaskStatus = "Running"
        self.reason = ""
        self.message = ""
        self.steps: list[StepRun] = []
        self.sidecars: list[SidecarRun] = []
        self.results: Sequence[ResultStatus] = ()
        self.artifacts: dict[str, list[dict[str, Any]]] = {}

    def step(self, name: str) -> StepRun | None:
        """Return the Step of that name, if it was started or skipped."""
        return next((step for step in self.steps if step.name == name), None)

    def finish(self, event: TaskFinished) -> None:
        """Note how it ended."""
        self.ended = event.at
        self.status, self.reason, self.message = event.status, event.reason, event.message
        self.results = cast("Sequence[ResultStatus]", event.results)


class TaskState:
    """A Task instance. ``started`` is the start of its first attempt. ``name`` is the name of its matrix combination.

    ``after`` are the paths of the Tasks it waits for. ``retry_at``: the earliest start of its next attempt, while it
    waits for that. ``display_name`` and ``when`` are not in the events: only the coordinator knows them.
    """

    def __init__(
        self,
        path: str,
        index: int | None = None,
        name: str | None = None,
        after: tuple[str, ...] = (),
        *,
        is_final: bool = False,
        status: TaskStatus = "Waiting",
    ) -> None:
        self.path = path
        self.index = index
        self.name = name
        self.after = after
        self.is_final = is_final
        self.status = status
        self.reason = ""
        self.message = ""
        self.started: float | None = None
        self.ended: float | None = None
        self.retry_at: float | None = None
        self.attempts: list[Attempt] = []
        self.display_name = ""
        self.when: Sequence[WhenStatus] = ()

    @property
    def label(self) -> str:
        """What a person calls it: the path, and the values (or the number) of the matrix combination."""
        return label(self.path, self.index if self.name is None else self.name)

    @property
    def why(self) -> str:
        """Why it was skipped, or how it ended."""
        if self.status == "Skipped" and self.message:
            return f"{self.reason}: {self.message}"
        return self.message or self.reason

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in ("Waiting", "Running")

    @property
    def last(self) -> Attempt | None:
        """Its latest attempt, if it was started."""
        return self.attempts[-1] if self.attempts else None

    @property
    def attempt(self) -> int:
        """The number of its latest attempt."""
        return self.attempts[-1].number if self.attempts else 0

    @property
    def slot(self) -> str:
        """Where its latest attempt runs; empty if it was not started."""
        return self.attempts[-1].slot if self.attempts else ""

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """The params of its matrix combination."""
        return tuple(self.attempts[-1].params.items()) if self.attempts else ()

    @property
    def running_steps(self) -> tuple[StepRun, ...]:
        """The Steps that run now."""
        if self.status != "Running" or not self.attempts or self.attempts[-1].ended is not None:
            return ()
        return tuple(step for step in self.attempts[-1].steps if not step.reason)

    @property
    def failed_steps(self) -> tuple[StepRun, ...]:
        """The Steps that failed its latest attempt."""
        if self.status == "Succeeded" or not self.attempts:
            return ()
        return tuple(step for step in self.attempts[-1].steps if step.failed)

    @property
    def ended_sidecars(self) -> tuple[SidecarRun, ...]:
        """The Sidecars of its latest attempt that ended before the Steps did."""
        return tuple(sidecar for sidecar in self.attempts[-1].sidecars if sidecar.reason) if self.attempts else ()


class PipelineEnd:
    """How the run's Pipeline, or one inside it, ended. Not in the events: only the coordinator knows it.

    ``finally_started`` is None if no `finally` Task ran. ``display_name`` and ``when`` belong to the PipelineTask
    that runs it.
    """

    def __init__(
        self,
        started: float,
        ended: float,
        status: FinalStatus,
        reason: str,
        message: str,
        *,
        finally_started: float | None = None,
        results: Sequence[ResultStatus] = (),
        display_name: str = "",
        when: Sequence[WhenStatus] = (),
    ) -> None:
        self.started = started
        self.ended = ended
        self.status = status
        self.reason = reason
        self.message = message
        self.finally_started = finally_started
        self.results = results
        self.display_name = display_name
        self.when = when


class RunProgress:
    """The state of a run after its events so far. ``names`` are the names of the matrix combinations.

    ``cancel_mode`` is how it is being cancelled, if it is. ``pipelines`` is empty unless the coordinator fills it:
    how Pipelines ended, by the beginning of the paths of their Tasks ("" for the run's own, "scan/").
    ``max_parallel`` is the Plan's.
    """

    def __init__(self, plan: Plan | None = None) -> None:
        self.run: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.cancel_mode: CancelMode | None = None
        self.warnings: list[RunWarning] = []
        self.given_back: list[CapacityGivenBack] = []
        self.names = InstanceNames()
        self.pipelines: dict[str, PipelineEnd] = {}
        self._tasks: dict[str, dict[int | None, TaskState]] = {}
        self._pipeline_paths: set[str] = set()
        self.max_parallel = None if plan is None else plan.max_parallel
        for planned_task in () if plan is None else walk(plan.pipeline):
            if planned_task.task.pipeline is None:
                self._tasks[planned_task.path] = {
                    None: TaskState(planned_task.path, after=planned_task.after, is_final=planned_task.is_final)
                }
            else:
                self._pipeline_paths.add(planned_task.path)

    @property
    def name(self) -> str:
        """The name of the run; empty until it has started."""
        return "" if self.run is None else self.run.name

    @property
    def started(self) -> float | None:
        """When the run started."""
        return None if self.run is None else self.run.at

    @property
    def tasks(self) -> tuple[TaskState, ...]:
        """Every Task instance, in the order of the Pipeline, finally Tasks last."""
        return tuple(task for instances in self._tasks.values() for task in instances.values())

    def instances(self, path: str) -> tuple[TaskState, ...]:
        """Return the instances of the Task at `path`; none if that is a Pipeline."""
        return tuple(self._tasks.get(path, {}).values())

    def inside(self, prefix: str) -> tuple[TaskState, ...]:
        """Return the instances of all Tasks whose paths begin with `prefix`."""
        return tuple(
            task for path, instances in self._tasks.items() if path.startswith(prefix) for task in instances.values()
        )

    def task(self, path: str, index: int | None) -> TaskState | None:
        """Return a Task instance, if it is known."""
        return self._tasks.get(path, {}).get(index)

    def label(self, path: str, index: int | None) -> str:
        """Return what a person calls a Task instance: ``build``, or ``build[go=1.22]`` for one of a matrix."""
        return self.names.label(path, index)

    def is_over(self, path: str) -> bool:
        """Return whether all instances of the Task at `path`, or of all Tasks of the Pipeline there, are over."""
        return all(task.is_over for task in self.instances(path) or self.inside(f"{path}/"))

    def waits_for(self, task: TaskState) -> tuple[str, ...]:
        """Return the paths of the Tasks that `task` still waits for."""
        return tuple(path for path in task.after if not self.is_over(path))

    def add(self, task: TaskState) -> None:
        """Add a Task instance, after all others."""
        self._tasks.setdefault(task.path, {})[task.index] = task

    def apply(self, event: RunEvent) -> None:
        """Take the next event of the run."""
        match event:
            case RunStarted():
                self.run = event
            case RunCancelling():
                self.cancel_mode = event.mode
            case RunWarning():
                self.warnings.append(event)
            case CapacityGivenBack():
                self.given_back.append(event)
            case RunFinished():
                self.finished = event
            case _:
                self._change_task(event)

    def _change_task(self, event: RunEvent) -> None:
        match event:
            case MatrixExpanded():
                self.names.note(event)
                for index, name in enumerate(event.names):
                    self._instance(event.task, index).name = name
            case TaskStarted():
                self._start_attempt(event)
            case StepStarted():
                attempt = self._attempt(event)
                attempt.steps = [*_others(attempt, event.step), StepRun(event.step, event.container, event.at)]
            case StepFinished() | StepHeld() | StepReleased():
                self._change_step(event)
            case SidecarFinished():
                self._attempt(event).sidecars.append(_ended_sidecar(event))
            case TaskFinished():
                self._finish_task(event)
            case TaskSkipped():
                task = self._instance(event.task, None)
                task.status, task.reason, task.message, task.ended = "Skipped", event.reason, event.message, event.at
            case _:
                pass  # the start of a Sidecar and the end of output change nothing here

    def _start_attempt(self, event: TaskStarted) -> None:
        task = self._instance(event.task, event.index)
        attempt = Attempt(event.attempt, event.at, event.slot, event.params)
        task.attempts = [*(other for other in task.attempts if other.number != event.attempt), attempt]
        task.status, task.ended, task.retry_at = "Running", None, None
        if task.started is None or not event.attempt:
            task.started = event.at

    def _change_step(self, event: StepFinished | StepHeld | StepReleased) -> None:
        attempt = self._attempt(event)
        step = attempt.step(event.step)
        if step is None:
            step = StepRun(event.step, event.container, event.at)
            attempt.steps.append(step)
        step.held = event if isinstance(event, StepHeld) else None
        if isinstance(event, StepFinished):
            step.finish(event)

    def _finish_task(self, event: TaskFinished) -> None:
        """Note the end of an attempt or a Task. A Task cancelled between two attempts leaves the last one as it was."""
        task = self._instance(event.task, event.index)
        for attempt in task.attempts:
            if attempt.number == event.attempt and attempt.ended is None:
                attempt.finish(event)
        task.status = "Running" if event.will_retry else event.status
        task.reason, task.message = event.reason, event.message
        task.ended = None if event.will_retry else event.at
        task.retry_at = event.at + event.retry_delay if event.will_retry and event.retry_delay else None

    def _attempt(self, event: StepStarted | StepFinished | StepHeld | StepReleased | SidecarFinished) -> Attempt:
        """Return the attempt that an event belongs to, which is added if its start is not known."""
        task = self._instance(event.task, event.index)
        for attempt in task.attempts:
            if attempt.number == event.attempt:
                return attempt
        task.attempts.append(Attempt(event.attempt, event.at))
        if task.status == "Waiting":
            task.status, task.started = "Running", event.at
        return task.attempts[-1]

    def _instance(self, path: str, index: int | None) -> TaskState:
        """Return a Task instance, which is added if it is new. The first one of a matrix replaces the Task itself."""
        if path not in self._tasks:
            self._add_path(path)
        instances = self._tasks[path]
        if index not in instances:
            first, last = next(iter(instances.values())), next(reversed(instances))
            instances[index] = TaskState(path, index, self.names.of(path, index), first.after, is_final=first.is_final)
            if index is not None:
                instances.pop(None, None)
            if (index or 0) < (last or 0):  # else they are in order
                self._tasks[path] = dict(sorted(instances.items(), key=lambda item: item[0] or 0))
        return self._tasks[path][index]

    def _add_path(self, path: str) -> None:
        """List the Task at `path`; if it runs a Pipeline, instead of the Tasks of that."""
        inside = self.inside(f"{path}/") if path in self._pipeline_paths else ()
        if not inside:
            self._tasks[path] = {None: TaskState(path)}
            return
        task = TaskState(path, after=inside[0].after, is_final=inside[0].is_final)
        tasks: dict[str, dict[int | None, TaskState]] = {}
        for other, instances in self._tasks.items():
            if other.startswith(f"{path}/"):
                tasks[path] = {None: task}
            else:
                tasks[other] = instances
        self._tasks = tasks


def progress_of(plan: Plan | None, events: Iterable[RunEvent]) -> RunProgress:
    """Return what is known of a run after these events."""
    progress = RunProgress(plan)
    for event in events:
        progress.apply(event)
    return progress


def _others(attempt: Attempt, step: str) -> list[StepRun]:
    return [other for other in attempt.steps if other.name != step]


def _ended_sidecar(event: SidecarFinished) -> SidecarRun:
    sidecar = SidecarRun(event.sidecar, event.container)
    sidecar.exit_code, sidecar.reason, sidecar.message = event.exit_code, event.reason, event.message
    if event.start:
        sidecar.start, sidecar.end = event.start, event.end
    return sidecar
