"""The engine: decides what runs next, and nothing else does.

Theory of operation
-------------------
`Engine.handle` takes one event and returns the commands that follow from it. There is no clock here (events carry the
time), no file and no process, so the same events always give the same commands: that is what the journal's replay and
the tests in simulated time rest on.

Three machines are nested:

- a **Pipeline** starts every PipelineTask whose predecessors have ended, or skips it; when all have ended it starts the
  `finally` Tasks; when these have ended, it ends. A Pipeline may stand in the place of a PipelineTask of another.
- a **PipelineTask** runs one instance, or one for each combination of its matrix, each in a slot; with fewer slots than
  combinations the others queue.
- an **instance** makes attempts until one succeeds or its retries are used up. An attempt starts the Sidecars, waits
  until they are ready, and runs the Steps one after another.

What has ended sets others free through `_settle`, which works off a queue: a Pipeline of a thousand Tasks that are all
skipped is a loop, not a recursion.

Semantics are Tekton's: docs/pipelines.md (ordering, when, onError, finally), docs/pipelineruns.md (timeouts,
cancelling), docs/taskruns.md (retries), docs/tasks.md (Steps, Results), docs/matrix.md.

What is left to others: the records (``run_state``), reading Results and guards (``results``, ``when``), the Tekton
document (``status``), and doing what the commands say (``coordinator``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from monopod.entrypoint.artifacts import Artifacts, merged, parse_artifacts
from monopod.entrypoint.events import (
    Begun,
    CancelRequested,
    ClearTimer,
    Command,
    ContainerDied,
    ContainerReady,
    Event,
    Exit,
    Finish,
    ReadResults,
    ReleaseContainer,
    ResultsRead,
    RunStep,
    SetTimer,
    SidecarReady,
    StepExited,
    StopStep,
    Tell,
    TimerFired,
    WatchSidecar,
    WriteFile,
)
from monopod.entrypoint.results import parse_result
from monopod.entrypoint.run_state import AttemptState, InstanceState, Outcome, PipelineState, StepState, TaskState
from monopod.entrypoint.status import (
    finished_document,
    in_go_notation,
    pipeline_outcome,
    pipeline_results,
    task_run_name,
    uid_of,
)
from monopod.entrypoint.when import evaluated, holds
from monopod.schemas.matrix import combinations
from monopod.schemas.plan import (
    ImageProgram,
    Pipeline,
    Plan,
    ResultDeclaration,
    Slot,
    Step,
    Task,
    Value,
    WhenExpression,
)
from monopod.schemas.run_events import (
    CancelMode,
    RunCancelling,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from monopod.schemas.variables import (
    EvaluationError,
    Path,
    Reference,
    Scope,
    evaluate,
    parse_path,
    references,
    references_in,
    substitute,
    substitute_all,
)

SKIPPED_BY_WHEN = "When Expressions evaluated to false"
SKIPPED_WITH_PARENT = "Parent Tasks were skipped"
SKIPPED_WITHOUT_RESULTS = "Results were missing"
SKIPPED_STOPPING = "PipelineRun was stopping"
SKIPPED_EMPTY_MATRIX = "Matrix Parameters have an empty array"
_SKIPPED_CANCELLED = {
    "Cancelled": SKIPPED_STOPPING,
    "CancelledRunFinally": "PipelineRun was gracefully cancelled",
    "StoppedRunFinally": "PipelineRun was gracefully stopped",
}
_SEVERITY: dict[CancelMode | None, int] = {None: 0, "StoppedRunFinally": 1, "CancelledRunFinally": 2, "Cancelled": 3}
_SKIPPED_TIMED_OUT = {
    "pipeline": "PipelineRun timeout has been reached",
    "tasks": "PipelineRun Tasks timeout has been reached",
    "finally": "PipelineRun Finally timeout has been reached",
}

HEAD_START = 1.0
"""Seconds from the start of a Sidecar without a readinessProbe to the first Step.

Tekton waits until kubelet tells that the Sidecar runs, which takes about as long; Tasks have come to rely on it.
"""

DEFAULT_SHEBANG = "#!/bin/sh\nset -e\n"
"""What Tekton puts before a script that has no line of its own (docs/tasks.md, "Running scripts within Steps")."""


class Engine:
    """Runs a Plan: feed it events in the order in which they happened, and carry out the commands it returns."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.run: PipelineState | None = None
        self.finished = False
        self._now = 0.0
        self._commands: list[Command] = []
        self._uid = ""
        self._namespace = ""
        self._ready: set[str] = set()
        self._dead: set[str] = set()
        self._released: set[str] = set()
        self._failed_release = False
        self._exit_codes: dict[str, int] = {}
        self._requests: dict[str, int] = {}
        self._timers: dict[str, Callable[[], None]] = {}
        self._waiting_for_container: dict[str, InstanceState] = {}
        self._running: dict[tuple[str, int], Callable[[Exit], None]] = {}
        self._reading: dict[str, InstanceState] = {}
        self._sidecars: dict[str, InstanceState] = {}
        self._ended: deque[TaskState] = deque()
        self._considered: deque[TaskState] = deque()
        self._invalid: deque[tuple[TaskState, str]] = deque()
        self._startable: deque[TaskState] = deque()
        self._next_attempts: deque[InstanceState] = deque()

    def handle(self, event: Event) -> list[Command]:
        """Return what is to be done because of `event`."""
        self._now = event.at
        self._commands = []
        if not self.finished:
            self._dispatch(event)
            self._settle()
        return self._commands

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, StepExited):
            self._on_exit(event.container, event.request, event.exit)
        elif isinstance(event, ContainerReady):
            self._on_container_ready(event.container)
        elif isinstance(event, ResultsRead):
            self._on_results(event)
        elif isinstance(event, TimerFired):
            self._on_timer(event.timer)
        elif isinstance(event, ContainerDied):
            self._on_container_died(event.container)
        elif isinstance(event, SidecarReady):
            self._on_sidecar_ready(event.container)
        elif isinstance(event, CancelRequested):
            self._on_cancel(event.mode)
        else:
            self._begin(event)

    def _do(self, command: Command) -> None:
        self._commands.append(command)

    def _set_timer(self, name: str, delay: float, action: Callable[[], None]) -> None:
        self._timers[name] = action
        self._do(SetTimer(name, self._now + delay))

    def _clear_timer(self, name: str) -> None:
        if self._timers.pop(name, None) is not None:
            self._do(ClearTimer(name))

    def _on_timer(self, name: str) -> None:
        action = self._timers.pop(name, None)
        if action is not None:
            action()

    # Pipelines

    def _begin(self, event: Begun) -> None:
        self._uid, self._namespace = event.uid, event.namespace
        self._do(Tell(RunStarted(event.at, event.name, event.namespace, event.uid)))
        plan = self.plan.pipeline
        self.run = self._new_pipeline(plan, event.name, "", None, {})
        context = Scope(dict(self.run.values))  # a run's params may name the run, but not each other
        for param in plan.params:
            self.run.values["params", param.name] = evaluate(param.value, context)
        self._start_pipeline(self.run)

    def _new_pipeline(
        self, plan: Pipeline, name: str, path: str, parent: TaskState | None, params: dict[Path, Value]
    ) -> PipelineState:
        values: dict[Path, Value] = {
            **params,
            ("context", "pipelineRun", "name"): name,
            ("context", "pipelineRun", "namespace"): self._namespace,
            ("context", "pipelineRun", "uid"): self._uid if parent is None else uid_of(self._uid, name),
            **{parse_path(key): text for key, text in plan.variables},
        }
        pipeline = PipelineState(plan, name, path, parent, values, Scope(values), self._now)
        pipeline.tasks = {task.name: TaskState(task, pipeline, False, len(task.after)) for task in plan.tasks}
        pipeline.final_tasks = {task.name: TaskState(task, pipeline, True, 0) for task in plan.final_tasks}
        for task in pipeline.tasks.values():
            for name_before in task.plan.after:
                pipeline.tasks[name_before].dependents.append(task)
        return pipeline

    def _start_pipeline(self, pipeline: PipelineState) -> None:
        pipeline.unfinished = len(pipeline.tasks)
        for kind, seconds in (("pipeline", pipeline.plan.timeout), ("tasks", pipeline.plan.tasks_timeout)):
            if seconds is not None:
                self._set_timer(f"{kind}:{pipeline.path}", seconds, partial(self._time_out, pipeline, kind))
        self._considered.extend(task for task in pipeline.tasks.values() if not task.blockers)
        if not pipeline.tasks:
            self._start_finally(pipeline)

    def _start_finally(self, pipeline: PipelineState) -> None:
        self._clear_timer(f"tasks:{pipeline.path}")
        pipeline.phase = "Finally"
        pipeline.unfinished = len(pipeline.final_tasks)
        if not pipeline.final_tasks:
            self._end_pipeline(pipeline)
            return
        pipeline.finally_started = self._now
        self._add_statuses(pipeline)
        if pipeline.plan.finally_timeout is not None and not self._nothing_starts(pipeline, True):
            action = partial(self._time_out, pipeline, "finally")
            self._set_timer(f"finally:{pipeline.path}", pipeline.plan.finally_timeout, action)
        self._considered.extend(pipeline.final_tasks.values())

    @staticmethod
    def _add_statuses(pipeline: PipelineState) -> None:
        """Let `finally` Tasks know how the others ended (Tekton docs/pipelines.md, "Using execution status")."""
        tasks = pipeline.tasks.values()
        for task in tasks:
            ran = task.phase not in ("Skipped", "Invalid")
            status = "None" if not ran else "Failed" if task.failed else "Succeeded"
            pipeline.values["tasks", task.plan.name, "status"] = status
            pipeline.values["tasks", task.plan.name, "reason"] = task.reason if ran else ""
        aggregate = "Completed" if any(task.phase == "Skipped" for task in tasks) else "Succeeded"
        if any(task.failed and task.phase != "Invalid" for task in tasks):
            aggregate = "Failed"
        pipeline.values["tasks", "status"] = aggregate

    def _end_pipeline(self, pipeline: PipelineState) -> None:
        for kind in ("pipeline", "tasks", "finally"):
            self._clear_timer(f"{kind}:{pipeline.path}")
        pipeline.phase = "Done"
        pipeline.finished = self._now
        pipeline.results, problem = pipeline_results(pipeline)
        pipeline.outcome = pipeline_outcome(pipeline, problem)
        if pipeline.parent is None:
            return
        task = pipeline.parent
        for name, value in pipeline.results.items():
            self._add_result(task, name, value)
        self._end_task(task, pipeline.outcome)

    def _time_out(self, pipeline: PipelineState, kind: str) -> None:
        """The Pipeline's time (`pipeline`), or that of its `tasks` or `finally`, is over: cut off what runs."""
        if kind == "pipeline":
            pipeline.timed_out = "pipeline"
        elif not pipeline.timed_out:
            pipeline.timed_out = "tasks" if kind == "tasks" else "finally"
        why = "TaskRun cancelled as the PipelineRun it belongs to has timed out."
        self._cut_off(pipeline, why)

    def _on_cancel(self, mode: CancelMode) -> None:
        """Cancel the run; a milder way than the one already asked for changes nothing, nor if its time is over."""
        if self.run is None or self.run.timed_out == "pipeline":
            return
        if _SEVERITY[mode] > _SEVERITY[self.run.cancel]:
            self._do(Tell(RunCancelling(self._now, mode)))
            self._cancel_pipeline(self.run, mode)

    def _cancel_pipeline(self, pipeline: PipelineState, mode: CancelMode) -> None:
        pipeline.cancel = mode
        if mode == "StoppedRunFinally":
            if pipeline.phase == "Tasks":
                self._skip_waiting(pipeline.tasks)
        elif mode == "Cancelled" or pipeline.phase == "Tasks":
            self._cut_off(pipeline, "TaskRun cancelled as the PipelineRun it belongs to has been cancelled.")

    def _cut_off(self, pipeline: PipelineState, why: str) -> None:
        """Stop what runs in the present phase of a Pipeline, and skip what waits."""
        tasks = pipeline.tasks if pipeline.phase == "Tasks" else pipeline.final_tasks
        self._skip_waiting(tasks)
        for task in tasks.values():
            if task.phase != "Running":
                continue
            if task.child is not None:
                self._cancel_pipeline(task.child, "Cancelled")
            for instance in reversed(task.instances):  # what is queued goes first, so that it gets no slot
                if instance.outcome is None:
                    message = f'TaskRun "{instance.name}" was cancelled. {why}'
                    self._stop_instance(instance, Outcome("Cancelled", "TaskRunCancelled", message))

    def _skip_waiting(self, tasks: dict[str, TaskState]) -> None:
        for task in tasks.values():
            if task.phase == "Waiting":
                self._skip(task, self._nothing_starts(task.pipeline, task.final))

    # PipelineTasks

    def _settle(self) -> None:
        """Follow what has ended to what it sets free, until nothing more changes.

        As in Tekton, all that is skipped is found first, then all that cannot start, and only then does anything start.
        """
        while True:
            if self._considered:
                self._consider(self._considered.popleft())
            elif self._ended:
                self._after_task(self._ended.popleft())
            elif self._invalid:
                while self._invalid:
                    self._reject(*self._invalid.popleft())
            elif self._startable:
                while self._startable:
                    self._start_task(self._startable.popleft())
            elif self._next_attempts:
                self._start_attempt(self._next_attempts.popleft())
            else:
                break
        if self.run is not None and self.run.outcome is not None and not self.finished:
            self._finish(self.run, self.run.outcome)

    def _after_task(self, task: TaskState) -> None:
        pipeline = task.pipeline
        pipeline.unfinished -= 1
        if task.failed and not task.tolerated and not task.final and not pipeline.stopping:
            pipeline.stopping = True
            self._skip_waiting(pipeline.tasks)
        for dependent in task.dependents:
            dependent.blockers -= 1
            if not dependent.blockers:
                self._considered.append(dependent)
        if not pipeline.unfinished:
            if pipeline.phase == "Tasks":
                self._start_finally(pipeline)
            elif pipeline.phase == "Finally":
                self._end_pipeline(pipeline)

    @staticmethod
    def _nothing_starts(pipeline: PipelineState, final: bool) -> str:
        """Return the reason why no further Task of this kind starts, or an empty text if they may."""
        if final:
            if pipeline.cancel == "Cancelled":
                return SKIPPED_STOPPING
            return _SKIPPED_TIMED_OUT.get(pipeline.timed_out, "") if pipeline.timed_out != "tasks" else ""
        if pipeline.cancel is not None:
            return _SKIPPED_CANCELLED[pipeline.cancel]
        return _SKIPPED_TIMED_OUT.get(pipeline.timed_out) or (SKIPPED_STOPPING if pipeline.stopping else "")

    def _consider(self, task: TaskState) -> None:
        """All its predecessors have ended: let the Task start, or skip it, in Tekton's order of reasons."""
        if task.phase != "Waiting":
            return
        missing = self._missing_results(task)
        try:
            reason = self._nothing_starts(task.pipeline, task.final)
            if not reason and not (task.final and missing) and not self._guards_hold(task, missing):
                reason = SKIPPED_BY_WHEN
        except EvaluationError as error:
            self._invalid.append((task, str(error)))
            return
        reason = reason or self._skipped_parent(task)
        if reason:
            self._skip(task, reason)
        elif missing:
            self._without_results(task, missing)
        else:
            self._startable.append(task)

    @staticmethod
    def _guards_hold(task: TaskState, missing: tuple[Reference, ...]) -> bool:
        """Evaluate the guards, but for those that refer to a Result that is missing."""
        absent = {reference.text for reference in missing}
        guards = [
            guard
            for guard in task.plan.when
            if absent.isdisjoint(each.text for text in _guard_texts(guard) for each in references(text))
        ]
        task.when = evaluated(guards, task.pipeline.scope)
        return all(holds(expression) for expression in task.when)

    @staticmethod
    def _skipped_parent(task: TaskState) -> str:
        """A Task goes where its predecessors were skipped, unless only their guards kept them from running."""
        parents = (task.pipeline.tasks[name] for name in task.plan.after)
        skipped = any(parent.phase == "Skipped" and parent.reason != SKIPPED_BY_WHEN for parent in parents)
        return SKIPPED_WITH_PARENT if skipped else ""

    @staticmethod
    def _missing_results(task: TaskState) -> tuple[Reference, ...]:
        """Return the references of a Task to Results that do not exist, empty if there are none."""
        scope = task.pipeline.scope
        if not task.plan.result_sources:
            return ()
        return tuple(
            reference
            for reference in _result_references(task.plan)
            if scope.get(reference.path) is None and reference.path[1] in task.plan.result_sources
        )

    def _without_results(self, task: TaskState, missing: tuple[Reference, ...]) -> None:
        """What Tekton does depends on the source of the first one (skipBecauseResultReferencesAreMissing)."""
        source = task.pipeline.tasks[missing[0].path[1]]
        guarded = source.phase == "Skipped" and source.reason == SKIPPED_BY_WHEN
        if task.final or task.tolerated or guarded:
            self._skip(task, SKIPPED_WITHOUT_RESULTS)
        else:
            texts = ", ".join(reference.text for reference in missing)
            self._invalid.append((task, f"invalid result reference: {texts} does not exist"))

    def _skip(self, task: TaskState, reason: str) -> None:
        task.phase, task.reason = "Skipped", reason
        self._do(Tell(TaskSkipped(self._now, task.path, reason)))
        self._release_task(task)
        self._ended.append(task)

    def _reject(self, task: TaskState, message: str) -> None:
        """The Task cannot start: what it refers to does not exist or does not fit."""
        task.phase, task.reason, task.message = "Invalid", "PipelineValidationFailed", message
        self._do(Tell(TaskFinished(self._now, task.path, None, 0, "Failed", task.reason, message)))
        self._release_task(task)
        self._ended.append(task)

    def _start_task(self, task: TaskState) -> None:
        if task.phase != "Waiting":
            return
        task.phase = "Running"
        try:
            if task.plan.pipeline is not None:
                self._start_child(task, task.plan.pipeline)
            else:
                self._start_instances(task)
        except EvaluationError as error:
            self._reject(task, str(error))

    def _start_instances(self, task: TaskState) -> None:
        task.free_slots = [slot for slot in task.plan.slots if self._whole(slot)] or list(task.plan.slots[:1])
        matrix = task.plan.matrix
        if matrix is None:
            task.instances = [InstanceState(task, task_run_name(task, None, self.plan), None, {})]
        else:
            task.instances = self._combinations(task)
            task.pipeline.values["tasks", task.plan.name, "matrix", "length"] = str(len(task.instances))
            if not task.instances:
                self._skip(task, SKIPPED_EMPTY_MATRIX)
                return
            if matrix.pinned:
                for instance, slot in zip(task.instances, task.plan.slots, strict=True):
                    instance.slot = slot
                task.free_slots = []
        task.unfinished = len(task.instances)
        task.queue.extend(task.instances)
        self._fill_slots(task)
        in_use = {instance.slot.name for instance in task.instances if instance.slot is not None}
        for slot in task.plan.slots:
            if slot.name not in in_use:
                self._release_containers(slot)

    def _whole(self, slot: Slot) -> bool:
        """Whether all containers that the Steps need may still come, or are there."""
        return self._dead.isdisjoint(slot.containers)

    def _combinations(self, task: TaskState) -> list[InstanceState]:
        """Return an instance for each combination of the matrix (Tekton docs/matrix.md), none if an array is empty."""
        matrix = task.plan.matrix
        assert matrix is not None
        scope = task.pipeline.scope
        params: dict[str, tuple[str, ...]] = {}
        for param in matrix.params:
            value = evaluate(param.value, scope)
            if not isinstance(value, tuple):
                raise EvaluationError(f"matrix param {param.name} is not an array")
            params[param.name] = value
        if any(not value for value in params.values()):
            return []
        include = [
            (each.name, {param.name: _string(evaluate(param.value, scope)) for param in each.params})
            for each in matrix.include
        ]
        return [
            InstanceState(task, task_run_name(task, index, self.plan), index, combination)
            for index, combination in enumerate(combinations(params, include))
        ]

    def _fill_slots(self, task: TaskState) -> None:
        """Start queued instances as far as there are slots for them."""
        while task.queue and (task.queue[0].slot is not None or task.free_slots):
            instance = task.queue.popleft()
            if instance.slot is None:
                instance.slot = task.free_slots.pop(0)
            self._next_attempts.append(instance)

    def _start_child(self, task: TaskState, plan: Pipeline) -> None:
        scope = task.pipeline.scope
        params: dict[Path, Value] = {
            ("params", name): value
            for name, value in [
                *((param.name, param.value) for param in plan.params),
                *((param.name, evaluate(param.value, scope)) for param in task.plan.params),
            ]
        }
        name = f"{task.pipeline.name}-{task.plan.name}"
        task.child = self._new_pipeline(plan, name, f"{task.path}/", task, params)
        self._start_pipeline(task.child)

    def _end_task(self, task: TaskState, outcome: Outcome) -> None:
        task.phase, task.reason, task.message = outcome.status, outcome.reason, outcome.message
        self._ended.append(task)

    def _add_result(self, task: TaskState, name: str, value: Value) -> None:
        """Let the other Tasks, and the Pipeline's Results, refer to a Result of this one."""
        root = "finally" if task.final else "tasks"
        task.pipeline.values[root, task.plan.name, "results", name] = value

    # Instances and their attempts

    def _start_attempt(self, instance: InstanceState) -> None:
        task, slot = instance.task, instance.slot
        assert slot is not None
        number = len(instance.attempts)
        values = self._task_values(instance, number)
        steps = [StepState(step, container) for step, container in zip(task.plan.steps, slot.containers, strict=True)]
        attempt = AttemptState(number, self._now, steps, values, Scope(values, task.pipeline.scope))
        instance.attempts.append(attempt)
        event = TaskStarted(self._now, task.path, instance.index, number, slot.name, instance.params)
        self._do(Tell(event))
        if task.plan.timeout is not None:
            self._set_timer(f"task:{slot.name}", task.plan.timeout, partial(self._time_out_attempt, instance))
        try:
            self._add_params(instance, values)
        except EvaluationError as error:
            self._end_attempt(instance, Outcome("Failed", "InvalidParamValue", str(error)))
            return
        attempt.sidecars_awaited = set(slot.sidecars)
        self._advance(instance)

    def _task_values(self, instance: InstanceState, number: int) -> dict[Path, Value]:
        task = instance.task
        return {
            ("context", "taskRun", "name"): instance.name,
            ("context", "taskRun", "namespace"): self._namespace,
            ("context", "taskRun", "uid"): uid_of(self._uid, instance.name),
            ("context", "task", "retry-count"): str(number),
            ("context", "pipelineTask", "retries"): str(task.plan.retries),
            **{parse_path(key): text for key, text in task.plan.variables},
        }

    @staticmethod
    def _add_params(instance: InstanceState, values: dict[Path, Value]) -> None:
        """Evaluate the Task's params in the Pipeline's scope; those of the matrix combination come last."""
        context = {path: value for path, value in values.items() if path[0] == "context"}
        scope = Scope(context, instance.task.pipeline.scope)
        for param in instance.task.plan.params:
            if param.name not in instance.params:
                values["params", param.name] = evaluate(param.value, scope)
        for name, value in instance.params.items():
            values["params", name] = value

    def _advance(self, instance: InstanceState) -> None:
        """Do the next thing of an attempt that is not busy: start Sidecars, await them, start the next Step, or end."""
        attempt = instance.attempt
        if attempt.outcome is not None or self._running_step(instance) is not None or self._is_read(instance):
            return  # a Sidecar may end, or its container die, at any time
        if not self._sidecars_are_ready(instance):
            return
        while attempt.ending is None and attempt.position < len(attempt.steps):
            step = attempt.steps[attempt.position]
            lost = [each for each in attempt.steps[attempt.position :] if each.container in self._dead]
            if lost:
                attempt.ending = _container_lost(lost[0])
            elif step.container not in self._ready:
                self._await_container(instance, step.container)
                return
            elif self._start_step(instance, step):
                return
            else:
                attempt.position += 1
        self._finish_steps(instance)

    def _await_container(self, instance: InstanceState, container: str) -> None:
        self._waiting_for_container[container] = instance
        timer = f"container:{container}"
        if timer not in self._timers:
            action = partial(self._container_never_came, instance, container)
            self._set_timer(timer, self.plan.container_start_timeout, action)

    def _container_never_came(self, instance: InstanceState, container: str) -> None:
        self._waiting_for_container.pop(container, None)
        self._dead.add(container)
        seconds = self.plan.container_start_timeout
        message = f'container "{container}" did not start within {seconds:g} seconds'
        self._end_attempt(instance, Outcome("Failed", "PodCreationFailed", message))

    def _sidecars_are_ready(self, instance: InstanceState) -> bool:
        """Start each Sidecar whose container is there; say whether all that the Steps wait for are ready."""
        attempt, slot = instance.attempt, instance.slot
        assert slot is not None
        for sidecar, container in zip(instance.task.plan.sidecars, slot.sidecars, strict=True):
            if container in attempt.sidecar_requests or container not in attempt.sidecars_awaited:
                continue
            if container in self._dead:
                attempt.sidecars_awaited.discard(container)
            elif container not in self._ready:
                self._await_container(instance, container)
            else:
                self._start_sidecar(instance, sidecar.step, container)
                if sidecar.readiness is None:
                    self._set_timer(f"sidecar:{container}", HEAD_START, partial(self._on_sidecar_ready, container))
                else:
                    self._do(WatchSidecar(container, sidecar.readiness))
        return not attempt.sidecars_awaited

    def _start_sidecar(self, instance: InstanceState, step: Step, container: str) -> None:
        attempt, slot = instance.attempt, instance.slot
        assert slot is not None
        request = self._next_request(container)
        attempt.sidecar_requests[container] = request
        attempt.sidecars_running.add(container)
        self._sidecars[container] = instance
        self._running[container, request] = partial(self._on_sidecar_exit, instance, container)
        try:
            command = _request(slot, container, request, step, attempt.scope, fresh=not attempt.begun)
            self._do(command)
            attempt.begun = True
        except EvaluationError as error:
            attempt.ending = Outcome("Failed", "InvalidParamValue", str(error))
            attempt.sidecars_awaited.clear()
            attempt.sidecars_running.discard(container)
            self._running.pop((container, request))

    def _next_request(self, container: str) -> int:
        self._requests[container] = self._requests.get(container, 0) + 1
        return self._requests[container]

    def _start_step(self, instance: InstanceState, step: StepState) -> bool:
        """Start a Step. Returns False if it is not to run: it is skipped, or what it refers to does not fit."""
        attempt, slot = instance.attempt, instance.slot
        assert slot is not None
        try:
            step.scope = self._step_scope(step.plan, attempt)
            guards = evaluated(step.plan.when, step.scope)
            if not all(holds(expression) for expression in guards):
                self._step_ended(instance, step, "Skipped", 0)
                return False
            request = self._requests.get(step.container, 0) + 1
            command = _request(slot, step.container, request, step.plan, step.scope, fresh=not attempt.begun)
            command = command._replace(readable=_written(instance.task.plan, step.plan))
        except EvaluationError as error:
            step.message = str(error)
            self._step_ended(instance, step, "Error", 1)
            attempt.ending = Outcome("Failed", "Failed", f'"{step.plan.name}" could not start: {error}')
            return False
        attempt.begun = True
        step.request, step.started = self._next_request(step.container), self._now
        self._running[step.container, request] = partial(self._on_step_exit, instance, step)
        self._do(command)
        if step.plan.timeout is not None:
            self._set_timer(f"step:{step.container}", step.plan.timeout, partial(self._time_out_step, step))
        path, index = instance.task.path, instance.index
        self._do(Tell(StepStarted(self._now, path, index, attempt.number, step.plan.name, step.container)))
        return True

    @staticmethod
    def _step_scope(step: Step, attempt: AttemptState) -> Scope:
        if not step.params and not step.variables:
            return attempt.scope
        values: dict[Path, Value] = {parse_path(key): text for key, text in step.variables}
        for param in step.params:
            values["params", param.name] = evaluate(param.value, attempt.scope)
        return Scope(values, attempt.scope)

    def _time_out_step(self, step: StepState) -> None:
        step.timed_out = True
        self._do(StopStep(step.container, step.request, self.plan.stop_grace))

    def _time_out_attempt(self, instance: InstanceState) -> None:
        seconds = instance.task.plan.timeout
        message = f'TaskRun "{instance.name}" failed to finish within "{in_go_notation(seconds or 0)}"'
        self._stop_instance(instance, Outcome("TimedOut", "TaskRunTimeout", message))

    def _stop_instance(self, instance: InstanceState, outcome: Outcome) -> None:
        """Cut off an instance: its running Step is stopped first, and it ends when that has ended."""
        instance.cancelled = instance.cancelled or outcome.status == "Cancelled"
        if not instance.attempts:
            instance.task.queue.remove(instance)
            self._end_instance(instance, outcome)
            return
        attempt = instance.attempt
        if attempt.outcome is not None:
            self._end_instance(instance, outcome)  # it was between two attempts, waiting for its Sidecars to end
            return
        attempt.stop = attempt.stop or outcome
        step = self._running_step(instance)
        if step is not None:
            self._do(StopStep(step.container, step.request, self.plan.stop_grace))
        elif not self._is_read(instance):
            self._end_attempt(instance, attempt.stop)

    def _running_step(self, instance: InstanceState) -> StepState | None:
        attempt = instance.attempt
        step = attempt.steps[attempt.position] if attempt.position < len(attempt.steps) else None
        return step if step is not None and (step.container, step.request) in self._running else None

    def _is_read(self, instance: InstanceState) -> bool:
        """Whether it waits for the Results of a Step or of its own."""
        return self._reading.get(_slot_name(instance)) is instance

    def _on_container_ready(self, container: str) -> None:
        self._ready.add(container)
        self._clear_timer(f"container:{container}")
        instance = self._waiting_for_container.pop(container, None)
        if instance is not None:
            self._advance(instance)

    def _on_container_died(self, container: str) -> None:
        if container in self._released:
            return
        self._dead.add(container)
        self._ready.discard(container)
        self._clear_timer(f"container:{container}")
        request = self._requests.get(container, 0)
        exited = self._running.pop((container, request), None)
        if exited is not None:
            exited(Exit(signal=9, error="its container was killed, from outside or for its use of memory"))
            return
        instance = self._waiting_for_container.pop(container, None)
        for each in self._waiting_for_container.values():  # one that waits for another container cannot go on either
            if each.slot is not None and container in _containers(each.slot):
                instance = each
        if instance is not None:
            self._advance(instance)

    def _on_exit(self, container: str, request: int, how: Exit) -> None:
        exited = self._running.pop((container, request), None)
        if exited is not None:
            exited(how)

    def _on_sidecar_ready(self, container: str) -> None:
        instance = self._sidecars.get(container)
        if instance is not None:
            instance.attempt.sidecars_awaited.discard(container)
            self._advance(instance)

    def _on_sidecar_exit(self, instance: InstanceState, container: str, _: Exit) -> None:
        """A Sidecar that has ended counts as ready, as in Tekton; it never decides the Task's outcome."""
        attempt = instance.attempt
        attempt.sidecars_running.discard(container)
        attempt.sidecars_awaited.discard(container)
        self._sidecars.pop(container, None)
        if attempt.outcome is None:
            self._advance(instance)
        elif not attempt.sidecars_running:
            self._sidecars_are_gone(instance)

    def _sidecars_are_gone(self, instance: InstanceState) -> None:
        """Let the next attempt, or the next of the queue, have the slot in which the Sidecars of the last one ended."""
        task = instance.task
        if instance.outcome is None:
            self._next_attempts.append(instance)
        elif instance in task.clearing:
            task.clearing.remove(instance)
            self._hand_on(instance)
            self._fill_slots(task)

    def _on_step_exit(self, instance: InstanceState, step: StepState, how: Exit) -> None:
        attempt = instance.attempt
        self._clear_timer(f"step:{step.container}")
        step.start, step.end = how.start, how.end
        step.exit_code = how.code if how.code is not None else 128 + (how.signal or 0)
        step.message = how.error
        if attempt.stop is not None:
            reason = "TimedOut" if attempt.stop.status == "TimedOut" else "Cancelled"
            self._step_ended(instance, step, reason, None, how)
            attempt.ending = attempt.stop
        elif step.timed_out:
            step.message = "the Step exceeded its timeout"
            self._step_ended(instance, step, "TimedOut", step.exit_code or 1, how)
            text = f'"step-{step.plan.name}" exited because the step exceeded the specified timeout limit'
            attempt.ending = Outcome("Failed", "Failed", text)
        elif step.exit_code == 0:
            self._step_ended(instance, step, "Completed", None, how)
        elif self._continues(step) and step.container not in self._dead:
            step.tolerated = True
            self._step_ended(instance, step, "Continued", None, how)
        else:
            self._step_ended(instance, step, "OOMKilled" if how.out_of_memory else "Error", None, how)
            attempt.ending = Outcome("Failed", "Failed", _exit_in_words(step, how))
        attempt.position += 1
        paths = tuple(_step_result_path(step.plan, result.name) for result in step.plan.results)
        paths += _artifact_paths(step.plan)
        if paths:
            self._read(instance, paths)
        else:
            self._advance(instance)

    @staticmethod
    def _continues(step: StepState) -> bool:
        assert step.scope is not None
        return substitute(step.plan.on_error, step.scope) == "continue"

    def _step_ended(
        self, instance: InstanceState, step: StepState, reason: str, exit_code: int | None, how: Exit | None = None
    ) -> None:
        """Record and tell how a Step ended; `exit_code` overrides what the process itself said."""
        if exit_code is not None:
            step.exit_code = exit_code
        step.reason = reason
        if reason != "Skipped" or step.exit_code == 0:
            self._exit_codes[step.container] = 0 if step.tolerated else step.exit_code
        slot = _slot_name(instance)
        if how is not None and instance.attempt.position + 1 < len(instance.attempt.steps):
            for name in (step_directory(step.plan), str(instance.attempt.position)):  # Tekton has a link of that name
                self._do(WriteFile(slot, f"/tekton/steps/{name}/exitCode", str(step.exit_code)))
        self._do(
            Tell(
                StepFinished(
                    self._now,
                    instance.task.path,
                    instance.index,
                    instance.attempt.number,
                    step.plan.name,
                    step.container,
                    step.exit_code,
                    reason,
                    step.message,
                    step.start,
                    step.end,
                    how.cpu if how else 0,
                    how.peak if how else 0,
                )
            )
        )

    def _finish_steps(self, instance: InstanceState) -> None:
        """No further Step runs: read the Task's Results, then end the attempt."""
        attempt = instance.attempt
        plan = instance.task.plan
        paths = tuple(_result_path(each.name) for each in plan.results if each.value is None) + _artifact_paths(plan)
        if paths and attempt.begun and not attempt.collected:  # else the files there are an earlier attempt's
            attempt.collected = True
            self._read(instance, paths)
        else:
            self._conclude(instance)

    def _read(self, instance: InstanceState, paths: tuple[str, ...]) -> None:
        slot = _slot_name(instance)
        self._reading[slot] = instance
        self._do(ReadResults(slot, paths))

    def _on_results(self, event: ResultsRead) -> None:
        instance = self._reading.pop(event.slot, None)
        if instance is None:
            return
        attempt = instance.attempt
        problems = list(event.problems.values())
        if attempt.collected:
            plan = instance.task.plan
            attempt.results = _parsed(plan.results, _result_path, event, problems)
            attempt.artifacts = merged(_parsed_artifacts(plan, event, problems))
        else:
            step = attempt.steps[attempt.position - 1]
            step.results = _parsed(step.plan.results, partial(_step_result_path, step.plan), event, problems)
            for name, value in step.results.items():
                attempt.values["steps", step.plan.name, "results", name] = value
            step.artifacts = merged(_parsed_artifacts(step.plan, event, problems))
            for direction, name, text in step.artifacts.values():
                attempt.values["steps", step.plan.name, direction, name] = text
        if attempt.stop is not None:
            attempt.ending = attempt.stop
        elif problems and attempt.ending is None:
            attempt.ending = Outcome("Failed", "TaskRunValidationFailed", "; ".join(problems))
        self._advance(instance)

    def _conclude(self, instance: InstanceState) -> None:
        """Take the Task's Results that come from a Step's, and end the attempt."""
        attempt = instance.attempt
        attempt.artifacts = merged([*(step.artifacts for step in attempt.steps), attempt.artifacts])
        for declaration in instance.task.plan.results:
            if declaration.value is None:
                continue
            missing = any(attempt.scope.get(each.path) is None for each in references_in(declaration.value))
            if not missing:
                attempt.results[declaration.name] = evaluate(declaration.value, attempt.scope)
        success = Outcome("Succeeded", "Succeeded", "All Steps have completed executing")
        self._end_attempt(instance, attempt.ending or success)

    def _end_attempt(self, instance: InstanceState, outcome: Outcome) -> None:
        task, attempt, slot = instance.task, instance.attempt, instance.slot
        assert slot is not None
        while attempt.position < len(attempt.steps):
            self._step_ended(instance, attempt.steps[attempt.position], "Skipped", 1)
            attempt.position += 1
        if attempt.stop is not None:
            attempt.results.clear()  # what is cut off has no Results: in Tekton its Pod is deleted
        attempt.outcome, attempt.finished = outcome, self._now
        self._clear_timer(f"task:{slot.name}")
        for container in _containers(slot):
            self._clear_timer(f"container:{container}")
            self._clear_timer(f"sidecar:{container}")
            self._waiting_for_container.pop(container, None)
        for container in sorted(attempt.sidecars_running):
            self._do(StopStep(container, attempt.sidecar_requests[container], self.plan.stop_grace))
        again = self._tries_again(instance, outcome)
        told = self._ignored(task, outcome)
        self._do(
            Tell(
                TaskFinished(
                    self._now,
                    task.path,
                    instance.index,
                    attempt.number,
                    told.status,
                    told.reason,
                    told.message,
                    again,
                )
            )
        )
        if not again:
            self._end_instance(instance, outcome)
        elif not attempt.sidecars_running:
            self._next_attempts.append(instance)

    def _tries_again(self, instance: InstanceState, outcome: Outcome) -> bool:
        if outcome.succeeded or instance.cancelled or outcome.reason == "InvalidParamValue":
            return False
        if len(instance.attempts) > instance.task.plan.retries:
            return False
        assert instance.slot is not None
        return self._whole(instance.slot)

    @staticmethod
    def _ignored(task: TaskState, outcome: Outcome) -> Outcome:
        """A failure that the Pipeline tolerates has a reason of its own (Tekton: FailureIgnored)."""
        if task.tolerated and outcome.status == "Failed":
            return Outcome(outcome.status, "FailureIgnored", outcome.message)
        return outcome

    def _end_instance(self, instance: InstanceState, outcome: Outcome) -> None:
        task = instance.task
        instance.outcome = outcome = self._ignored(task, outcome)
        task.unfinished -= 1
        if instance.attempts:
            self._give_back(instance, outcome)
        if task.unfinished:
            self._fill_slots(task)
            return
        for each in task.clearing:
            self._hand_on(each)  # nobody is left who could have the slot
        self._take_results(task)
        outcomes = [each.outcome for each in task.instances if each.outcome is not None]
        worst = next((each for each in outcomes if not each.succeeded), outcome)
        if any(each.status == "Cancelled" for each in outcomes):  # then Tekton counts it so, whatever else failed
            worst = Outcome("Cancelled", worst.reason, worst.message)
        self._end_task(task, worst)

    def _give_back(self, instance: InstanceState, outcome: Outcome) -> None:
        """Note how the containers of the slot are to end, and hand it on."""
        task, slot = instance.task, instance.slot
        assert slot is not None
        if not outcome.succeeded and not any(self._exit_codes.get(name) for name in slot.containers):
            self._exit_codes[slot.containers[-1]] = 1
        if task.forgiven:
            for name in slot.containers:
                self._exit_codes[name] = 0
        self._hand_on(instance)

    def _hand_on(self, instance: InstanceState) -> None:
        """Let the next of the queue have the slot, once the Sidecars in it have ended; or let its containers go."""
        task, slot = instance.task, instance.slot
        assert slot is not None
        is_last = task.unfinished == len(task.queue) and not task.free_slots and not task.clearing
        if not task.queue or task.queue[0].slot is not None:
            self._release_containers(slot)
        elif instance.attempt.sidecars_running:
            task.clearing.append(instance)
        elif self._whole(slot) or is_last:
            task.free_slots.append(slot)
        else:
            self._release_containers(slot)

    @staticmethod
    def _take_results(task: TaskState) -> None:
        """Publish the Results of the Task's instances: one's as they are, those of a matrix as arrays."""
        root = "finally" if task.final else "tasks"
        prefix = (root, task.plan.name, "results")
        if task.plan.matrix is None:
            for attempt in task.instances[0].attempts[-1:]:
                for name, value in attempt.results.items():
                    task.pipeline.values[*prefix, name] = value
                for direction, name, text in attempt.artifacts.values():
                    task.pipeline.values[root, task.plan.name, direction, name] = text
            return
        for declaration in task.plan.results:
            emitted = [each.attempt.results.get(declaration.name) for each in task.instances if each.attempts]
            values = tuple(value for value in emitted if isinstance(value, str))
            if values:
                task.pipeline.values[*prefix, declaration.name] = values
                task.pipeline.values[root, task.plan.name, "matrix", declaration.name, "length"] = str(len(values))

    # Containers

    def _release_task(self, task: TaskState) -> None:
        for each in _leaves(task.plan):
            for slot in each.slots:
                self._release_containers(slot)

    def _release_containers(self, slot: Slot) -> None:
        for container in _containers(slot):
            if container in self._released:
                continue
            self._released.add(container)
            code = self._exit_codes.get(container, 0)
            self._failed_release = self._failed_release or code != 0
            self._do(ReleaseContainer(container, code))

    # The end

    def _finish(self, run: PipelineState, outcome: Outcome) -> None:
        self.finished = True
        self._fail_a_container(outcome)
        document = finished_document(self.plan, run)
        self._do(Tell(RunFinished(self._now, outcome.status, outcome.reason, outcome.message, document)))
        self._do(Finish(0 if outcome.succeeded else 1))

    def _fail_a_container(self, outcome: Outcome) -> None:
        """See to it that a Pod whose run failed has a container that failed: that decides the Pod's phase."""
        if outcome.succeeded or self._failed_release:
            return
        for position in range(len(self._commands) - 1, -1, -1):
            command = self._commands[position]
            if isinstance(command, ReleaseContainer):
                self._commands[position] = ReleaseContainer(command.container, 1)
                return


def step_directory(step: Step) -> str:
    """Return the name of a Step's directory below `/tekton/steps`."""
    return f"step-{step.name}"


def _result_path(result: str) -> str:
    return f"/tekton/results/{result}"


def _artifact_paths(plan: Task | Step) -> tuple[str, ...]:
    """Return the file in which a Task or Step may write its Artifacts, if it refers to it."""
    return tuple(text for name, text in plan.variables if name in ("artifacts.path", "step.artifacts.path"))


def _step_result_path(step: Step, result: str) -> str:
    return f"/tekton/steps/{step_directory(step)}/results/{result}"


def _request(slot: Slot, container: str, request: int, step: Step, scope: Scope, *, fresh: bool) -> RunStep:
    """Return the command that runs a Step, all its references replaced. Raises EvaluationError.

    The entrypoint expands `$(NAME)` from the environment in what the author wrote, but not in the values put in here,
    nor in what an image says.
    """
    arguments = substitute_all(step.args, scope, _unexpanded)
    script_name = script = None
    if step.script is not None:
        script_name = f"{container}-{request}"
        script = substitute(step.script, scope)
        if not script.startswith("#!"):
            script = DEFAULT_SHEBANG + script
        arguments = (f"/tekton/scripts/{script_name}", *arguments)
    elif (program := slot.image_program(container)) is not None:
        arguments = _of_image(program, arguments, is_sidecar=container in slot.sidecars)
    else:
        arguments = (*substitute_all(step.command, scope, _unexpanded), *arguments)
    if not arguments:
        raise EvaluationError("there is nothing to run: command is empty")
    directories = [f"/tekton/steps/{step_directory(step)}/results"] if step.results else []
    directories += [path.rpartition("/")[0] for path in _artifact_paths(step)]
    return RunStep(
        slot=slot.name,
        container=container,
        request=request,
        arguments=arguments,
        environment=tuple((name, substitute(text, scope, _unexpanded)) for name, text in step.environment),
        working_directory=_optional(step.working_directory, scope),
        stdout_path=_optional(step.stdout_path, scope),
        stderr_path=_optional(step.stderr_path, scope),
        script_name=script_name,
        script=script,
        fresh=fresh,
        directories=tuple(directories),
    )


def _of_image(program: ImageProgram, arguments: tuple[str, ...], *, is_sidecar: bool) -> tuple[str, ...]:
    """Return what runs where only the image says it: the arguments take the place of its CMD.

    In a Step, as Tekton has it, a CMD without an ENTRYPOINT stays, and the arguments come after it
    (pkg/pod/entrypoint_lookup_impl.go); a Sidecar is an ordinary container.
    """
    entrypoint, cmd = (tuple(map(_unexpanded, words)) for words in (program.entrypoint, program.cmd))
    if not entrypoint and not is_sidecar:
        return (*cmd, *arguments)
    return (*entrypoint, *(arguments or cmd))


def _written(task: Task, step: Step) -> tuple[str, ...]:
    """Return where a Step may write what is read afterwards. Nothing more, since making it readable takes a while."""
    paths = ["/tekton/results"] if any(each.value is None for each in task.results) else []
    paths += [f"/tekton/steps/{step_directory(step)}/results"] if step.results else []
    return (*paths, *_artifact_paths(task), *_artifact_paths(step))


def _unexpanded(value: str) -> str:
    return value.replace("$", "$$")


def _optional(text: str | None, scope: Scope) -> str | None:
    return None if text is None else substitute(text, scope)


def _containers(slot: Slot) -> tuple[str, ...]:
    return slot.containers + slot.sidecars


def _leaves(task: Task) -> Iterator[Task]:
    """Yield the Task itself, or the Tasks of the Pipeline that stands in its place, however deep."""
    if task.pipeline is None:
        yield task
        return
    for each in (*task.pipeline.tasks, *task.pipeline.final_tasks):
        yield from _leaves(each)


def _result_references(task: Task) -> Iterator[Reference]:
    """Yield each reference to another Task's Result in what the Pipeline says of a Task.

    With an embedded Task its Steps may hold some too (Tekton docs/pipelines.md, "Propagated Results").
    """
    for text in _texts(task):
        for reference in references(text):
            if reference.path[0] == "tasks" and len(reference.path) > 3 and reference.path[2] in ("results", "matrix"):
                yield reference


def _texts(task: Task) -> Iterator[str]:
    matrix = (*task.matrix.params, *(p for each in task.matrix.include for p in each.params)) if task.matrix else ()
    for param in (*task.params, *matrix):
        yield from _strings(param.value)
    for guard in task.when:
        yield from _guard_texts(guard)
    for step in (*task.steps, *(sidecar.step for sidecar in task.sidecars)):
        yield from (*step.command, *step.args, step.script or "", step.working_directory or "")
        yield from (text for _, text in step.environment)


def _guard_texts(guard: WhenExpression) -> tuple[str, ...]:
    return (guard.input, guard.cel, *guard.values)


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from value.values() if isinstance(value, dict) else value


def _string(value: Value) -> str:
    if not isinstance(value, str):
        raise EvaluationError("a param of matrix.include must be a string")
    return value


def _slot_name(instance: InstanceState) -> str:
    assert instance.slot is not None
    return instance.slot.name


def _container_lost(step: StepState) -> Outcome:
    message = f'container "{step.container}" was killed before the Step could run in it'
    return Outcome("Failed", "Failed", message)


def _exit_in_words(step: StepState, how: Exit) -> str:
    if how.error:
        return (
            f'"step-{step.plan.name}" could not run: {how.error}'
            if how.code is not None
            else (f'"step-{step.plan.name}" was killed: {how.error}')
        )
    if how.out_of_memory:
        return f'"step-{step.plan.name}" ran out of memory: a process of its container was killed'
    if how.signal is not None:
        return f'"step-{step.plan.name}" was killed by signal {how.signal}'
    return f'"step-{step.plan.name}" exited with code {how.code}'


def _parsed_artifacts(plan: Task | Step, read: ResultsRead, problems: list[str]) -> list[Artifacts]:
    """Return the Artifacts of a Task or Step that were written; what is wrong with them goes to `problems`."""
    found = []
    for path in _artifact_paths(plan):
        if path in read.files:
            try:
                found.append(parse_artifacts(read.files[path], path))
            except ValueError as error:
                problems.append(str(error))
    return found


def _parsed(
    declarations: tuple[ResultDeclaration, ...], path_of: Callable[[str], str], read: ResultsRead, problems: list[str]
) -> dict[str, Value]:
    """Return the values of the declared Results that were written; what is wrong with others goes to `problems`."""
    values: dict[str, Value] = {}
    for declaration in declarations:
        text = read.files.get(path_of(declaration.name))
        if text is None or declaration.value is not None:
            continue
        try:
            values[declaration.name] = parse_result(declaration, text)
        except ValueError as error:
            problems.append(str(error))
    return values
