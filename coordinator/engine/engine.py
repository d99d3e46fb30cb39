"""The engine decides what runs next, and nothing else does.

Theory of operation
-------------------
`Engine.handle` takes one event and returns the commands that follow from it. It has no clock (events carry the time),
no files and no processes, so the same events always give the same commands. The replay of the journal and the tests in
simulated time depend on that.

Three machines are nested:

- A **Pipeline** starts each PipelineTask whose predecessors have ended, or skips it. When all have ended it starts the
  `finally` Tasks; when those have ended, it ends. A PipelineTask may run a Pipeline instead of a Task. A PipelineTask
  that the Plan leaves out is skipped from the start, and ends when its predecessors have ended.
- A **PipelineTask** runs one instance, or one for each combination of its matrix, each in a slot. With fewer slots than
  combinations, the others queue. An instance makes attempts until one succeeds or its retries are used up.
- An **attempt** starts the Sidecars, waits until they are ready, and runs the Steps one after another (``attempts``,
  whose table says what an attempt does in each of its states).

An event about a container, a Step or Results goes to the attempt in that slot. The attempt returns that it has ended,
or that its slot is clear, and `_follow` decides what comes next. Tasks that have ended unblock others in `_settle`,
which processes queues: a Pipeline of a thousand skipped Tasks is a loop, not a recursion.

A question takes an event to answer: the engine issues a command (`ReadResults`, `EvaluateCel`, `RunProbe`,
`TryConnection`, `SetTimer`), and whatever waits for the answer stays in its state until the event comes.

Semantics are Tekton's: docs/pipelines.md (ordering, onError, finally), docs/pipelineruns.md (timeouts, cancelling),
docs/taskruns.md (retries).

Left to others: the records (``run_state``), whether a Task is skipped (``skipping``), its combinations and Results
(``instances``), what runs in a slot (``attempts``), the containers (``containers``), the Tekton document (``status``),
and executing the commands (``shell``).
"""

from __future__ import annotations

from collections import deque
from functools import partial

from monopod.coordinator.engine.attempts import Attempts
from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.containers import Containers
from monopod.coordinator.engine.events import (
    Begun,
    CancelRequested,
    CelEvaluated,
    Command,
    ContainerDied,
    ContainerRestarted,
    Event,
    Finish,
    TimerFired,
)
from monopod.coordinator.engine.failure_reasons import as_ignored, not_retried
from monopod.coordinator.engine.instances import (
    decides,
    empty_arrays,
    instances_of,
    is_overruled,
    known_length,
    outcome_of,
    publish_result,
    publish_results,
)
from monopod.coordinator.engine.places import Places
from monopod.coordinator.engine.result_references import leaves
from monopod.coordinator.engine.run_state import (
    AttemptEnded,
    AttemptState,
    Change,
    InstanceState,
    Outcome,
    PipelineState,
    SlotCleared,
    TaskState,
)
from monopod.coordinator.engine.skip_words import join_names
from monopod.coordinator.engine.skipping import (
    SKIPPED_EMPTY_MATRIX,
    Reject,
    Skip,
    Undecided,
    find_obstacle,
    nothing_starts,
)
from monopod.coordinator.engine.status import (
    finished_document,
    pipeline_outcome,
    pipeline_results,
    results_of,
    the_task_run,
    uid_of,
)
from monopod.schemas.matrix_names import combination_names
from monopod.schemas.plan import Pipeline, Plan, Value
from monopod.schemas.run_events import (
    CancelMode,
    MatrixExpanded,
    RunCancelling,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskSkipped,
)
from monopod.schemas.variables import EvaluationError, Path, Scope, evaluate, parse_path

_SEVERITY: dict[CancelMode | None, int] = {None: 0, "StoppedRunFinally": 1, "CancelledRunFinally": 2, "Cancelled": 3}


class Engine:
    """Runs a Plan: feed it events in the order in which they happened, and execute the commands that it returns."""

    def __init__(self, plan: Plan, *, marks: bool = False) -> None:
        """Prepare to run a Plan. With `marks`, the end of the output of each Step and Sidecar is marked."""
        self.plan = plan
        self.run: PipelineState | None = None
        self.finished = False
        self._uid = ""
        self._namespace = ""
        self._commands = Commands()
        self._containers = Containers(plan.pipeline, self._commands)
        self._attempts = Attempts(plan, self._commands, self._containers, marks=marks)
        self._ended: deque[TaskState] = deque()
        self._considered: deque[TaskState] = deque()
        self._undecided: set[TaskState] = set()
        self._invalid: deque[tuple[TaskState, str]] = deque()
        self._startable: deque[TaskState] = deque()
        self._next_attempts: deque[InstanceState] = deque()
        self._decided: deque[TaskState] = deque()
        self._places = Places(plan)

    def handle(self, event: Event) -> list[Command]:
        """Return the commands that follow from `event`."""
        self._commands.begin(event.at)
        if not self.finished:
            self._dispatch(event)
            self._settle()
        return self._commands.issued

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, Begun):
            self._begin(event)
        elif isinstance(event, CancelRequested):
            self._on_cancel(event.mode)
        elif isinstance(event, TimerFired):
            self._follow(self._commands.fire(event.timer))
        elif isinstance(event, CelEvaluated):
            self._follow(self._commands.answer(event))
        elif not (isinstance(event, ContainerDied | ContainerRestarted) and self._containers[event.container].released):
            self._follow(self._attempts.handle(event))

    def _follow(self, change: Change | None) -> None:
        """Continue after the end of an attempt, or of its last Sidecar."""
        if isinstance(change, AttemptEnded):
            self._after_attempt(change.attempt)
        elif isinstance(change, SlotCleared):
            self._after_sidecars(change.attempt.instance)

    # Pipelines

    def _begin(self, event: Begun) -> None:
        self._uid, self._namespace = event.uid, event.namespace
        self._commands.report(RunStarted(event.at, event.name, event.namespace, event.uid))
        plan = self.plan.pipeline
        self.run = self._new_pipeline(plan, event.name, None, {})
        context = Scope(dict(self.run.values))  # a run's params may name the run, but not each other
        for param in plan.params:
            self.run.values["params", param.name] = evaluate(param.value, context)
        self._start_pipeline(self.run)

    def _new_pipeline(
        self, plan: Pipeline, name: str, parent: TaskState | None, params: dict[Path, Value]
    ) -> PipelineState:
        values: dict[Path, Value] = {
            **params,
            ("context", "pipelineRun", "name"): name,
            ("context", "pipelineRun", "namespace"): self._namespace,
            ("context", "pipelineRun", "uid"): self._uid if parent is None else uid_of(self._uid, name),
            ("context", "pipeline", "name"): name,
            **{parse_path(key): text for key, text in plan.variables},
        }
        now = self._commands.now
        pipeline = PipelineState(plan, name, parent, values=values, started=now)
        pipeline.tasks = {task.name: TaskState(task, pipeline, False, len(task.after)) for task in plan.tasks}
        pipeline.final_tasks = {task.name: TaskState(task, pipeline, True, 0) for task in plan.final_tasks}
        for task in pipeline.tasks.values():
            for name_before in task.plan.after:
                pipeline.tasks[name_before].dependents.append(task)
        return pipeline

    def _start_pipeline(self, pipeline: PipelineState) -> None:
        pipeline.unfinished = len(pipeline.tasks)
        self._leave_out(pipeline)
        for task in pipeline.all_tasks():
            if task.plan.left_out is None and (length := known_length(task)) is not None:
                pipeline.values["tasks", task.plan.name, "matrix", "length"] = str(length)
        for kind, seconds in (("pipeline", pipeline.plan.timeout), ("tasks", pipeline.plan.tasks_timeout)):
            if seconds is not None:
                self._commands.set_timer(f"{kind}:{pipeline.path}", seconds, partial(self._time_out, pipeline, kind))
        self._considered.extend(task for task in pipeline.tasks.values() if not task.blockers)
        if not pipeline.tasks:
            self._start_finally(pipeline)

    def _leave_out(self, pipeline: PipelineState) -> None:
        """Skip the Tasks that the Plan leaves out, and publish the Results that it gives them."""
        for task in pipeline.all_tasks():
            left_out = task.plan.left_out
            if left_out is None or left_out.problem:
                continue
            task.phase, task.reason = "Skipped", left_out.reason
            self._commands.report(TaskSkipped(self._commands.now, task.path, left_out.reason, left_out.message))
            for result in left_out.results:
                publish_result(task, result.name, result.value)
            pipeline.values.update((parse_path(key), text) for key, text in left_out.variables)

    def _start_finally(self, pipeline: PipelineState) -> None:
        self._commands.clear_timer(f"tasks:{pipeline.path}")
        pipeline.phase = "Finally"
        pipeline.unfinished = len(pipeline.final_tasks)
        if not pipeline.final_tasks:
            self._end_pipeline(pipeline)
            return
        pipeline.finally_started = self._commands.now
        self._add_statuses(pipeline)
        if pipeline.plan.finally_timeout is not None and not nothing_starts(pipeline, final=True):
            action = partial(self._time_out, pipeline, "finally")
            self._commands.set_timer(f"finally:{pipeline.path}", pipeline.plan.finally_timeout, action)
        self._considered.extend(pipeline.final_tasks.values())

    @staticmethod
    def _add_statuses(pipeline: PipelineState) -> None:
        """Let `finally` Tasks refer to how the others ended (Tekton docs/pipelines.md, "Using execution status")."""
        tasks = pipeline.tasks.values()
        for task in tasks:
            ran = task.phase not in ("Skipped", "Invalid")
            status = "Succeeded" if task.reused else "None" if not ran else "Failed" if task.failed else "Succeeded"
            pipeline.values["tasks", task.plan.name, "status"] = status
            pipeline.values["tasks", task.plan.name, "reason"] = status if task.reused else task.reason if ran else ""
        aggregate = "Completed" if any(task.phase == "Skipped" and not task.reused for task in tasks) else "Succeeded"
        if any(task.failed and task.phase != "Invalid" for task in tasks):
            aggregate = "Failed"
        pipeline.values["tasks", "status"] = aggregate

    def _end_pipeline(self, pipeline: PipelineState) -> None:
        for kind in ("pipeline", "tasks", "finally"):
            self._commands.clear_timer(f"{kind}:{pipeline.path}")
        pipeline.phase = "Done"
        pipeline.finished = self._commands.now
        pipeline.results, problem = pipeline_results(pipeline)
        pipeline.outcome = pipeline_outcome(pipeline, problem)
        if pipeline.parent is None:
            return
        task = pipeline.parent
        for name, value in pipeline.results.items():
            publish_result(task, name, value)
        self._end_task(task, pipeline.outcome)

    def _time_out(self, pipeline: PipelineState, kind: str) -> None:
        """Cut off what runs: a timeout of the Pipeline has expired (`kind`: pipeline, tasks or finally)."""
        pipeline.finally_timed_out |= kind == "finally"
        if kind == "pipeline":
            pipeline.timed_out = "pipeline"
        elif not pipeline.timed_out:
            pipeline.timed_out = "tasks" if kind == "tasks" else "finally"
        why = "TaskRun cancelled as the PipelineRun it belongs to has timed out."
        self._cut_off(pipeline, why)

    def _on_cancel(self, mode: CancelMode) -> None:
        """Cancel the run. A milder mode than the current one changes nothing, nor does any mode after the timeout."""
        if self.run is None or self.run.timed_out == "pipeline":
            return
        if _SEVERITY[mode] > _SEVERITY[self.run.cancel]:
            self._commands.report(RunCancelling(self._commands.now, mode))
            self._cancel_pipeline(self.run, mode)

    def _cancel_pipeline(self, pipeline: PipelineState, mode: CancelMode) -> None:
        pipeline.cancel = mode
        if mode == "StoppedRunFinally":
            if pipeline.phase == "Tasks":
                self._skip_waiting(pipeline.tasks)
        elif mode == "Cancelled" or pipeline.phase == "Tasks":
            self._cut_off(pipeline, "TaskRun cancelled as the PipelineRun it belongs to has been cancelled.")

    def _cut_off(self, pipeline: PipelineState, why: str) -> None:
        """Stop what runs in the current phase of a Pipeline, and skip what waits."""
        tasks = pipeline.tasks if pipeline.phase == "Tasks" else pipeline.final_tasks
        self._skip_waiting(tasks)
        for task in tasks.values():
            if task.phase != "Running":
                continue
            if task.child is not None:
                self._cancel_pipeline(task.child, "Cancelled")
            for instance in reversed(task.instances):  # queued instances first, so that they get no slot
                if instance.outcome is None:
                    of_itself = self.plan.document.get("kind") == "TaskRun"
                    message = f'TaskRun "{instance.name}" was cancelled.{"" if of_itself else f" {why}"}'
                    self._cancel_instance(instance, Outcome("Cancelled", "TaskRunCancelled", message))

    def _skip_waiting(self, tasks: dict[str, TaskState], message: str = "") -> None:
        for task in tasks.values():
            if task.phase == "Waiting":
                self._skip(task, Skip(nothing_starts(task.pipeline, final=task.final), message))

    # PipelineTasks

    def _settle(self) -> None:
        """Process what has ended and what it unblocks, until nothing changes.

        As in Tekton, Tasks are skipped first, then those that cannot start are rejected, and only then do others start.
        What ends at the same moment, such as attempts that fail at their start, ends before anything follows from it.
        While a CEL expression decides about a Task, the others wait.
        """
        while True:
            if self._ended:
                self._after_task(self._ended.popleft())
            elif self._considered:
                self._consider(self._considered.popleft())
            elif self._invalid and not self._undecided:
                while self._invalid:
                    self._reject_waiting(*self._invalid.popleft())
            elif self._startable and not self._undecided:
                self._line_up()
            elif not self._proceed_with_instances():
                break
        if self.run is not None and self.run.outcome is not None and not self.finished:
            self._finish(self.run, self.run.outcome)

    def _proceed_with_instances(self) -> bool:
        """Start further attempts, or stop what a combination has decided. Returns False if there is nothing to do."""
        if self._next_attempts:
            self._start_attempts()
        elif self._decided:
            self._stop_rest(self._decided.popleft())
        else:
            return self._give_places_away()
        return True

    def _line_up(self) -> None:
        """Start what is ready. If places are limited, Tasks wait for one."""
        waiting: list[TaskState] = []
        ready: list[TaskState] = []
        while self._startable:
            task = self._startable.popleft()
            (waiting if self._places.are_limited and task.plan.pipeline is None else ready).append(task)
        self._places.line_up(waiting)
        for task in ready:
            self._start_task(task)

    def _give_places_away(self) -> bool:
        """Start Tasks and attempts that waited for a place. Returns False if there is nothing to start."""
        has_started = False
        while not self._places.is_full:
            instance = self._places.take()
            if instance is not None:
                self._next_attempts.append(instance)
            elif self._places.ready and not self._undecided:
                self._start_task(self._places.ready.popleft())
            else:
                break
            has_started = True
        return has_started

    def _after_task(self, task: TaskState) -> None:
        pipeline = task.pipeline
        pipeline.unfinished -= 1
        if task.failed and not task.tolerated and not task.final and not pipeline.stopping:
            pipeline.stopping = True
            self._skip_waiting(pipeline.tasks, f"Task {task.plan.name} did not succeed")
        for dependent in task.dependents:
            dependent.blockers -= 1
            if not dependent.blockers:
                self._considered.append(dependent)
        if not pipeline.unfinished:
            if pipeline.phase == "Tasks":
                self._start_finally(pipeline)
            elif pipeline.phase == "Finally":
                self._end_pipeline(pipeline)

    def _consider(self, task: TaskState) -> None:
        """Queue a Task whose predecessors have ended, or skip or reject it. A Task that is left out ends now."""
        if task.plan.left_out is not None and not task.plan.left_out.problem:
            self._ended.append(task)
        if task.phase != "Waiting":
            return
        obstacle = find_obstacle(task)
        if isinstance(obstacle, Skip):
            self._skip(task, obstacle)
        elif isinstance(obstacle, Reject):
            self._invalid.append((task, obstacle.message))
        elif isinstance(obstacle, Undecided):
            self._undecided.add(task)
            self._commands.evaluate(obstacle.expression, partial(self._take_truth, task))
        else:
            self._startable.append(task)

    def _take_truth(self, task: TaskState, event: CelEvaluated) -> None:
        """Consider a Task again with the answer about its CEL expression, unless it was skipped in the meantime."""
        if task in self._undecided:
            self._undecided.remove(task)
            assert task.guards is not None
            task.guards.answer(truth=event.truth, problem=event.problem)
            self._considered.append(task)

    def _skip(self, task: TaskState, why: Skip) -> None:
        task.phase, task.reason = "Skipped", why.reason
        self._undecided.discard(task)
        self._commands.report(TaskSkipped(self._commands.now, task.path, why.reason, why.message))
        self._release_task(task)
        self._ended.append(task)

    def _reject_waiting(self, task: TaskState, message: str) -> None:
        if task.phase == "Waiting":  # it may have been skipped while others were undecided
            self._reject(task, message)

    def _reject(self, task: TaskState, message: str) -> None:
        """Record that a Task cannot start, because it refers to something that does not exist or does not fit."""
        task.phase, task.reason, task.message = "Invalid", "PipelineValidationFailed", message
        self._commands.report(TaskFinished(self._commands.now, task.path, None, 0, "Failed", task.reason, message))
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
        slots = task.plan.slots
        task.free_slots = [slot for slot in slots if self._containers.lost_in(slot) is None] or list(slots[:1])
        task.instances = instances_of(task, self.plan)
        matrix = task.plan.matrix
        if matrix is not None:
            task.pipeline.values["tasks", task.plan.name, "matrix", "length"] = str(len(task.instances))
            if not task.instances:
                self._skip(task, Skip(SKIPPED_EMPTY_MATRIX, join_names(empty_arrays(task))))
                return
            names = combination_names([instance.params for instance in task.instances])
            self._commands.report(MatrixExpanded(self._commands.now, task.path, names))
            if matrix.pinned:
                for instance, slot in zip(task.instances, slots, strict=True):
                    instance.slot = slot
                task.free_slots = []
        task.unfinished = len(task.instances)
        task.queue.extend(task.instances)
        self._fill_slots(task)
        in_use = {instance.slot.name for instance in task.instances if instance.slot is not None}
        for slot in slots:
            if slot.name not in in_use:
                self._containers.release(slot)

    def _fill_slots(self, task: TaskState) -> None:
        """Start queued instances while there are free slots."""
        while task.queue and task.decisive is None and (task.queue[0].slot is not None or task.free_slots):
            instance = task.queue.popleft()
            if instance.slot is None:
                instance.slot = task.free_slots.pop(0)
            if self._places.are_limited:
                self._places.wait(instance)
            else:
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
        task.child = self._new_pipeline(plan, name, task, params)
        self._start_pipeline(task.child)

    def _end_task(self, task: TaskState, outcome: Outcome) -> None:
        task.phase, task.reason, task.message = outcome.status, outcome.reason, outcome.message
        self._ended.append(task)

    # Instances and their attempts

    def _start_attempts(self) -> None:
        while self._next_attempts:
            self._start_attempt(self._next_attempts.popleft())

    def _start_attempt(self, instance: InstanceState) -> None:
        task = instance.task
        values: dict[Path, Value] = {
            ("context", "taskRun", "name"): instance.name,
            ("context", "taskRun", "namespace"): self._namespace,
            ("context", "taskRun", "uid"): uid_of(self._uid, instance.name),
            ("context", "task", "name"): instance.name,
            ("context", "task", "retry-count"): str(len(instance.attempts)),
            ("context", "pipelineTask", "retries"): str(task.plan.retries),
            **{parse_path(key): text for key, text in task.plan.variables},
        }
        self._follow(self._attempts.start(instance, values))

    def _cancel_instance(self, instance: InstanceState, outcome: Outcome) -> None:
        """Cut off an instance: stop its attempt, if one runs, and make no further one."""
        instance.cancelled = True
        if not instance.attempts:
            if not self._places.give_up(instance):
                instance.task.queue.remove(instance)
            self._end_between(instance, outcome)
        elif instance.attempt.outcome is not None:
            # it was between two attempts: its Sidecars have not ended, or it waits for the delay of its retry
            self._commands.clear_timer(f"retry:{instance.attempt.slot.name}")
            self._end_between(instance, outcome)
        else:
            self._follow(self._attempts.stop(instance.attempt, outcome))

    def _end_between(self, instance: InstanceState, outcome: Outcome) -> None:
        """End an instance that has no running attempt."""
        number = max(len(instance.attempts) - 1, 0)
        reported = (instance.task.path, instance.index, number, outcome.status, outcome.reason, outcome.message)
        self._commands.report(TaskFinished(self._commands.now, *reported))
        self._end_instance(instance, outcome)

    def _after_sidecars(self, instance: InstanceState) -> None:
        """Give a slot whose Sidecars have ended to the next attempt, or to the next instance of the queue."""
        task = instance.task
        if instance.outcome is None:
            assert instance.slot is not None
            if not self._commands.has_timer(f"retry:{instance.slot.name}"):
                self._next_attempts.append(instance)
        elif instance in task.clearing:
            task.clearing.remove(instance)
            self._pass_on_slot(instance)
            self._fill_slots(task)

    def _after_attempt(self, attempt: AttemptState) -> None:
        """Report how an attempt ended, and start the next one or end its instance."""
        instance, outcome = attempt.instance, attempt.outcome
        assert outcome is not None
        task = instance.task
        again = self._wants_retry(instance, outcome)
        lost = self._containers.lost_in(attempt.slot) if again else None
        if lost is not None:
            again, outcome = False, not_retried(outcome, lost.name, lost.lost)
        delay = task.plan.retry_delay if again else 0.0
        reported = attempt.outcome = as_ignored(outcome) if task.tolerated else outcome
        self._commands.report(
            TaskFinished(
                self._commands.now,
                task.path,
                instance.index,
                attempt.number,
                reported.status,
                reported.reason,
                reported.message,
                again,
                delay,
                results_of(attempt) if reported.succeeded else [],
            )
        )
        if not again:
            self._end_instance(instance, reported)
        elif delay:
            action = partial(self._end_retry_delay, instance)
            self._commands.set_timer(f"retry:{attempt.slot.name}", delay, action)
        elif not attempt.occupies_slot:
            self._next_attempts.append(instance)

    def _end_retry_delay(self, instance: InstanceState) -> None:
        """Start the next attempt, unless Sidecars of the last one still run in the slot."""
        if not instance.attempt.occupies_slot:
            self._next_attempts.append(instance)

    @staticmethod
    def _wants_retry(instance: InstanceState, outcome: Outcome) -> bool:
        if outcome.succeeded or instance.cancelled or outcome.reason == "InvalidParamValue":
            return False
        return len(instance.attempts) <= instance.task.plan.retries

    def _end_instance(self, instance: InstanceState, outcome: Outcome) -> None:
        task = instance.task
        instance.outcome, instance.finished = outcome, self._commands.now
        task.unfinished -= 1
        self._places.leave(instance)
        if task.decisive is None and decides(instance):
            task.decisive = instance
            self._decided.append(task)
        if instance.slot is not None:
            self._return_slot(instance, outcome)
        if task.unfinished:
            self._fill_slots(task)
            return
        for each in task.clearing:
            self._pass_on_slot(each)  # no other instance is left for the slot
        publish_results(task)
        self._end_task(task, outcome_of(task))

    def _stop_rest(self, task: TaskState) -> None:
        """Stop the combinations that have not ended, because one that has decides about the matrix."""
        decisive = task.decisive
        assert decisive is not None
        assert decisive.outcome is not None
        for slot in task.free_slots:
            self._containers.release(slot)
        task.free_slots.clear()
        became = "succeeded" if decisive.outcome.succeeded else "failed"
        why = f'because TaskRun "{decisive.name}" of the same matrix has {became}'
        for instance in reversed(task.instances):  # queued instances first
            if instance.outcome is None:
                message = f'TaskRun "{instance.name}" was cancelled {why}'
                self._cancel_instance(instance, Outcome("Cancelled", "TaskRunCancelled", message))

    def _return_slot(self, instance: InstanceState, outcome: Outcome) -> None:
        """Set the exit codes of the slot's containers, and pass the slot on."""
        task, slot = instance.task, instance.slot
        assert slot is not None
        if task.forgiven or is_overruled(task):
            self._containers.end_with_success(slot)
        elif not outcome.succeeded:
            self._containers.end_with_failure(slot)
        self._pass_on_slot(instance)

    def _pass_on_slot(self, instance: InstanceState) -> None:
        """Give the slot to the next of the queue once its Sidecars have ended, or release its containers."""
        task, slot = instance.task, instance.slot
        assert slot is not None
        is_last = task.unfinished == len(task.queue) and not task.free_slots and not task.clearing
        if not task.queue or task.queue[0].slot is not None:
            self._containers.release(slot)
        elif instance.attempts and instance.attempt.occupies_slot:
            task.clearing.append(instance)
        elif is_last or self._containers.lost_in(slot) is None:
            task.free_slots.append(slot)
        else:
            self._containers.release(slot)

    def _release_task(self, task: TaskState) -> None:
        for each in leaves(task.plan):
            for slot in each.slots:
                self._containers.release(slot)

    def _finish(self, run: PipelineState, outcome: Outcome) -> None:
        self.finished = True
        if not outcome.succeeded:
            self._containers.fail_one()
        task_run = the_task_run(self.plan, run)
        outcome = outcome if task_run is None or task_run.outcome is None else task_run.outcome
        document = finished_document(self.plan, run)
        self._commands.report(
            RunFinished(self._commands.now, outcome.status, outcome.reason, outcome.message, document)
        )
        self._commands.do(Finish(0 if outcome.succeeded else 1))
