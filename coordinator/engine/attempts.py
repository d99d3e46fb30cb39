"""The attempts of Task instances: an attempt starts the Sidecars, waits until they are ready, and runs the Steps.

An attempt goes on by `_advance`, which does the next thing that is possible: it starts a Sidecar or waits for it, waits
for the container of the next Step or starts the Step, has Results read, or ends. Every event that an attempt may have
waited for leads there, and it does nothing while a Step runs or Results are read.

Semantics are Tekton's: docs/tasks.md (Steps, Sidecars, Results), docs/taskruns.md (timeouts, cancelling).

What is left to others: when an attempt starts, and what follows from its end (``engine``); what a Step is asked to do
(``step_request``), and what is read of it (``step_files``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from monopod.coordinator.engine.artifacts import merged
from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.containers import Containers, containers_of
from monopod.coordinator.engine.events import (
    Exit,
    ReadResults,
    ResultsRead,
    RunStep,
    StopStep,
    WatchSidecar,
    WriteFile,
)
from monopod.coordinator.engine.failure_reasons import (
    KILLED,
    exit_code_of,
    invalid_results,
    lost_step,
    outcome_of_pod,
    reason_of,
    step_failure,
)
from monopod.coordinator.engine.run_state import (
    AttemptState,
    InstanceState,
    Outcome,
    SidecarState,
    StepState,
)
from monopod.coordinator.engine.start_failures import StartFailure, outcome_of
from monopod.coordinator.engine.status import in_go_notation
from monopod.coordinator.engine.step_files import (
    artifact_paths,
    parsed_artifacts,
    parsed_results,
    result_path,
    step_directory,
    step_result_path,
    written_paths,
)
from monopod.coordinator.engine.step_request import request_of
from monopod.coordinator.engine.when import evaluated, holds
from monopod.schemas.plan import Plan, Slot, Step, Task, Value
from monopod.schemas.run_events import OutputEnded, RunWarning, SidecarFinished, StepFinished, StepStarted, TaskStarted
from monopod.schemas.variables import (
    EvaluationError,
    Path,
    Scope,
    evaluate,
    parse_path,
    references_in,
    substitute,
)

HEAD_START = 1.0
"""Seconds from the start of a Sidecar without a readinessProbe to the first Step.

Tekton waits until kubelet tells that the Sidecar runs, which takes about as long; Tasks have come to rely on it.
"""


class Owner(Protocol):
    """Who has attempts made."""

    def attempt_ended(self, instance: InstanceState, outcome: Outcome) -> None:
        """The latest attempt of an instance is over, but perhaps for Sidecars that were told to stop."""

    def slot_cleared(self, instance: InstanceState) -> None:
        """The last Sidecar of an attempt that is over has ended."""


class Attempts:
    """Makes attempts, each in the slot of its instance."""

    def __init__(self, plan: Plan, commands: Commands, containers: Containers, owner: Owner, *, marks: bool) -> None:
        """With `marks`, the end of the output of each Step and Sidecar is marked."""
        self._plan = plan
        self._marks = marks
        self._commands = commands
        self._containers = containers
        self._owner = owner
        self._requests: dict[str, int] = {}
        self._waiting: dict[str, InstanceState] = {}
        """Who waits for a container to come."""
        self._running: dict[tuple[str, int], Callable[[Exit], None]] = {}
        self._reading: dict[str, InstanceState] = {}
        self._sidecars: dict[str, InstanceState] = {}
        self._active: dict[str, InstanceState] = {}
        """Who makes an attempt in a slot that has not ended."""

    def start(self, instance: InstanceState, values: dict[Path, Value]) -> None:
        """Start a further attempt of an instance, which has its slot. `values` are what `$(context.…)` and such are."""
        task, slot = instance.task, _slot(instance)
        number = len(instance.attempts)
        steps = [StepState(step, container) for step, container in zip(task.plan.steps, slot.containers, strict=True)]
        sidecars = [SidecarState(*each) for each in zip(task.plan.sidecars, slot.sidecars, strict=True)]
        attempt = AttemptState(self._commands.now, steps, sidecars, values, task.pipeline.scope, number=number)
        instance.attempts.append(attempt)
        self._commands.tell(
            TaskStarted(self._commands.now, task.path, instance.index, number, slot.name, instance.params)
        )
        if task.plan.timeout is not None:
            self._commands.set_timer(f"task:{slot.name}", task.plan.timeout, partial(self._time_out, instance))
        try:
            _add_params(instance, values)
        except EvaluationError as error:
            self._end(instance, Outcome("Failed", "InvalidParamValue", str(error)))
            return
        failure = self._containers.start_failure(slot)
        if failure is not None:
            self._end(instance, outcome_of(instance, *failure))
            return
        self._active[slot.name] = instance
        attempt.sidecars_awaited = set(slot.sidecars)
        self._advance(instance)

    def stop(self, instance: InstanceState, outcome: Outcome) -> None:
        """Cut off an attempt: its running Step is stopped first, and it ends when that has ended."""
        attempt = instance.attempt
        attempt.stop = attempt.stop or outcome
        step = self._running_step(instance)
        if step is not None:
            self._commands.do(StopStep(step.container, step.request, self._plan.stop_grace))
        elif not self._is_read(instance):
            self._end(instance, attempt.stop)

    def _time_out(self, instance: InstanceState) -> None:
        seconds = instance.task.plan.timeout
        message = f'TaskRun "{instance.name}" failed to finish within "{in_go_notation(seconds or 0)}"'
        self.stop(instance, Outcome("TimedOut", "TaskRunTimeout", message))

    def _advance(self, instance: InstanceState) -> None:
        """Do the next thing of an attempt, unless it is busy: start or await Sidecars, start the next Step, or end."""
        attempt = instance.attempt
        if attempt.outcome is not None or self._running_step(instance) is not None or self._is_read(instance):
            return  # a Sidecar may end, or its container die, at any time
        if not self._sidecars_are_ready(instance):
            return
        while attempt.ending is None and attempt.position < len(attempt.steps):
            step = attempt.steps[attempt.position]
            lost = [each for each in attempt.steps[attempt.position :] if self._containers.is_lost(each.container)]
            if lost:
                attempt.ending = lost_step(lost[0], self._containers.why_lost(lost[0].container))
            elif not self._containers.is_ready(step.container):
                self._await_container(instance, step.container)
                return
            elif self._start_step(instance, step):
                return
            else:
                attempt.position += 1
        self._finish_steps(instance)

    def _running_step(self, instance: InstanceState) -> StepState | None:
        attempt = instance.attempt
        step = attempt.steps[attempt.position] if attempt.position < len(attempt.steps) else None
        return step if step is not None and (step.container, step.request) in self._running else None

    def _is_read(self, instance: InstanceState) -> bool:
        """Whether it waits for the Results of a Step or of its own."""
        return self._reading.get(_slot(instance).name) is instance

    # Containers

    def container_came(self, container: str) -> None:
        """The entrypoint of a container is there."""
        self._containers.add(container)
        self._commands.clear_timer(f"container:{container}")
        instance = self._waiting.pop(container, None)
        if instance is not None:
            self._advance(instance)

    def container_died(self, container: str) -> None:
        """A container is gone that was not let go."""
        self._containers.lose(container, "was killed before the Step could run in it")
        self._commands.clear_timer(f"container:{container}")
        request = self._requests.get(container, 0)
        exited = self._running.pop((container, request), None)
        if exited is not None:
            exited(KILLED)
            return
        instance = self._waiting.pop(container, None)
        for each in self._waiting.values():  # one that waits for another container cannot go on either
            if container in containers_of(_slot(each)):
                instance = each
        if instance is not None:
            self._advance(instance)

    def cannot_start(self, container: str, failure: StartFailure) -> None:
        """A container never starts: the attempt that needs it, as a Step's or a Sidecar's, fails at once."""
        self._containers.cannot_start(container, failure)
        self._commands.clear_timer(f"container:{container}")
        for instance in list(self._active.values()):
            if container in containers_of(_slot(instance)):
                self.stop(instance, outcome_of(instance, container, failure))

    def _await_container(self, instance: InstanceState, container: str) -> None:
        self._waiting[container] = instance
        timer = f"container:{container}"
        if not self._commands.has_timer(timer):
            action = partial(self._container_never_came, instance, container)
            self._commands.set_timer(timer, self._plan.container_start_timeout, action)

    def _container_never_came(self, instance: InstanceState, container: str) -> None:
        self._waiting.pop(container, None)
        self._containers.lose(container, "did not start in time")
        seconds = self._plan.container_start_timeout
        message = f'container "{container}" did not start within {seconds:g} seconds'
        self._end(instance, Outcome("Failed", "PodCreationFailed", message))

    def _next_request(self, container: str) -> int:
        self._requests[container] = self._requests.get(container, 0) + 1
        return self._requests[container]

    def request_exited(self, container: str, request: int, how: Exit) -> None:
        """A Step or Sidecar has ended."""
        exited = self._running.pop((container, request), None)
        if exited is not None:
            self._keep_or_give_up(container, how)
            exited(how)

    def _keep_or_give_up(self, container: str, how: Exit) -> None:
        """Give a container up in which something still runs, or may: what it writes would count as that of others."""
        if how.left:
            why = f"cannot be used again, because a process in it cannot be killed: {how.left}"
            self._containers.lose(container, why)
            self._commands.tell(RunWarning(self._commands.now, f'container "{container}" {why}'))
        elif self._marks and how.mark is None:
            self._containers.lose(container, "cannot be used again, because the end of its output is not known")

    # Sidecars

    def _sidecars_are_ready(self, instance: InstanceState) -> bool:
        """Start each Sidecar whose container is there; say whether all that the Steps wait for are ready."""
        attempt = instance.attempt
        for sidecar in attempt.sidecars:
            container, readiness = sidecar.container, sidecar.plan.readiness
            if sidecar.request or container not in attempt.sidecars_awaited:
                continue
            if self._containers.is_lost(container):
                sidecar.end = KILLED
                attempt.sidecars_awaited.discard(container)
            elif not self._containers.is_ready(container):
                self._await_container(instance, container)
            else:
                self._start_sidecar(instance, sidecar)
                if readiness is None:
                    action = partial(self.sidecar_ready, container)
                    self._commands.set_timer(f"sidecar:{container}", HEAD_START, action)
                else:
                    self._commands.do(WatchSidecar(container, readiness))
        return not attempt.sidecars_awaited

    def _start_sidecar(self, instance: InstanceState, sidecar: SidecarState) -> None:
        attempt, container = instance.attempt, sidecar.container
        request = sidecar.request = self._next_request(container)
        sidecar.started = self._commands.now
        attempt.sidecars_running.add(container)
        self._sidecars[container] = instance
        self._running[container, request] = partial(self._sidecar_exited, instance, sidecar)
        try:
            command = self._request_of(instance, container, request, sidecar.plan.step, attempt.scope)
            self._commands.do(command)
            attempt.begun = True
        except EvaluationError as error:
            attempt.ending = Outcome("Failed", "InvalidParamValue", str(error))
            attempt.sidecars_awaited.clear()
            attempt.sidecars_running.discard(container)
            self._running.pop((container, request))

    def sidecar_ready(self, container: str) -> None:
        """A Sidecar's readinessProbe has succeeded, or its head start is over."""
        instance = self._sidecars.get(container)
        if instance is not None:
            instance.attempt.sidecars_awaited.discard(container)
            self._advance(instance)

    def _sidecar_exited(self, instance: InstanceState, sidecar: SidecarState, how: Exit) -> None:
        """A Sidecar that has ended counts as ready, as in Tekton."""
        attempt, container = instance.attempt, sidecar.container
        if self._marks:
            self._commands.tell(OutputEnded(self._commands.now, container, how.mark))
        if attempt.outcome is None:
            self._commands.tell(_sidecar_finished(instance, sidecar, how, self._commands.now))
        attempt.sidecars_running.discard(container)
        attempt.sidecars_awaited.discard(container)
        self._sidecars.pop(container, None)
        if attempt.outcome is None:
            sidecar.end = how
            self._advance(instance)
        elif not attempt.sidecars_running:
            self._owner.slot_cleared(instance)

    # Steps

    def _request_of(self, instance: InstanceState, container: str, request: int, step: Step, scope: Scope) -> RunStep:
        fresh = not instance.attempt.begun
        return request_of(_slot(instance), container, request, step, scope, fresh=fresh, is_marked=self._marks)

    def _start_step(self, instance: InstanceState, step: StepState) -> bool:
        """Start a Step. Returns False if it is not to run: it is skipped, or what it refers to does not fit."""
        attempt = instance.attempt
        try:
            step.scope = _step_scope(step.plan, attempt)
            guards = evaluated(step.plan.when, step.scope)
            if not all(holds(expression, instance.task.pipeline.truth_of) for expression in guards):
                self._step_ended(instance, step, "Skipped", 0)
                return False
            request = self._requests.get(step.container, 0) + 1
            command = self._request_of(instance, step.container, request, step.plan, step.scope)
            command = command._replace(readable=written_paths(instance.task.plan, step.plan))
        except EvaluationError as error:
            step.message = str(error)
            self._step_ended(instance, step, "Error", 1)
            attempt.ending = Outcome("Failed", "StepFailed", f'"step-{step.plan.name}" could not start: {error}')
            return False
        attempt.begun = True
        step.request, step.started = self._next_request(step.container), self._commands.now
        self._running[step.container, request] = partial(self._step_exited, instance, step)
        self._commands.do(command)
        if step.plan.timeout is not None:
            self._commands.set_timer(f"step:{step.container}", step.plan.timeout, partial(self._time_out_step, step))
        path, index = instance.task.path, instance.index
        self._commands.tell(
            StepStarted(self._commands.now, path, index, attempt.number, step.plan.name, step.container, self._marks)
        )
        return True

    def _time_out_step(self, step: StepState) -> None:
        step.timed_out = True
        self._commands.do(StopStep(step.container, step.request, self._plan.stop_grace))

    def _step_exited(self, instance: InstanceState, step: StepState, how: Exit) -> None:
        attempt = instance.attempt
        self._commands.clear_timer(f"step:{step.container}")
        step.start, step.end = how.start, how.end
        step.exit_code, step.message = exit_code_of(how), how.error
        step.out_of_memory = how.out_of_memory
        if attempt.stop is not None:
            reason = "TimedOut" if attempt.stop.status == "TimedOut" else "Cancelled"
            self._step_ended(instance, step, reason, None, how)
            attempt.ending = attempt.stop
        elif step.timed_out:
            step.message = "the Step exceeded its timeout"
            self._step_ended(instance, step, "TimedOut", step.exit_code or 1, how)
            attempt.ending = step_failure(step)
        elif step.exit_code and _continues(step) and not _container_died(how):
            step.tolerated = True
            self._step_ended(instance, step, "Continued", None, how)
        else:
            self._step_ended(instance, step, reason_of(how), None, how)
        if attempt.ending is None and (how.out_of_memory or (step.exit_code and not step.tolerated)):
            attempt.ending = step_failure(step)  # where memory ran out, also with exit code 0
        attempt.position += 1
        paths = tuple(step_result_path(step.plan, result.name) for result in step.plan.results)
        paths += artifact_paths(step.plan)
        if paths:
            self._read(instance, paths)
        else:
            self._advance(instance)

    def _step_ended(
        self, instance: InstanceState, step: StepState, reason: str, exit_code: int | None, how: Exit | None = None
    ) -> None:
        """Record and tell how a Step ended; `exit_code` overrides what the process itself said."""
        if exit_code is not None:
            step.exit_code = exit_code
        step.reason = reason
        if reason != "Skipped" or step.exit_code == 0:
            self._containers.end_with(step.container, 0 if step.tolerated else step.exit_code)
        if how is not None and instance.attempt.position + 1 < len(instance.attempt.steps):
            for name in (step_directory(step.plan), str(instance.attempt.position)):  # Tekton has a link of that name
                path = f"/tekton/steps/{name}/exitCode"
                self._commands.do(WriteFile(_slot(instance).name, path, str(step.exit_code)))
        self._commands.tell(
            StepFinished(
                self._commands.now,
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
                how.mark if how else "",
            )
        )

    # Results, and the end

    def _finish_steps(self, instance: InstanceState) -> None:
        """No further Step runs: read the Task's Results, then end the attempt."""
        attempt = instance.attempt
        plan = instance.task.plan
        paths = tuple(result_path(each.name) for each in plan.results if each.value is None) + artifact_paths(plan)
        if paths and attempt.begun and not attempt.collected:  # else the files there are an earlier attempt's
            attempt.collected = True
            self._read(instance, paths)
        else:
            self._conclude(instance)

    def _read(self, instance: InstanceState, paths: tuple[str, ...]) -> None:
        slot = _slot(instance).name
        self._reading[slot] = instance
        self._commands.do(ReadResults(slot, paths))

    def results_read(self, event: ResultsRead) -> None:
        """What a Step or a Task has written is known."""
        instance = self._reading.pop(event.slot, None)
        if instance is None:
            return
        attempt = instance.attempt
        problems = list(event.problems.values())
        if attempt.collected:
            plan = instance.task.plan
            attempt.results = parsed_results(plan.results, result_path, event, problems)
            attempt.artifacts = merged(parsed_artifacts(plan, event, problems))
        else:
            _take_step_results(attempt, attempt.steps[attempt.position - 1], event, problems)
        if attempt.stop is not None:
            attempt.ending = attempt.stop
        elif problems and attempt.collected:
            attempt.invalid = invalid_results(problems, too_large=event.too_large)
        elif problems and attempt.ending is None:
            attempt.ending = invalid_results(problems, too_large=event.too_large)
        self._advance(instance)

    def _conclude(self, instance: InstanceState) -> None:
        """Take the Task's Results that come from a Step's, and end the attempt."""
        attempt = instance.attempt
        attempt.artifacts = merged([*(step.artifacts for step in attempt.steps), attempt.artifacts])
        try:
            attempt.results |= _results_of_steps(instance.task.plan, attempt)
        except EvaluationError as error:
            attempt.invalid = attempt.invalid or invalid_results([str(error)])
        success = Outcome("Succeeded", "Succeeded", "All Steps have completed executing")
        outcome = attempt.stop or outcome_of_pod(attempt, attempt.ending or success)
        self._end(instance, attempt.invalid if outcome.succeeded and attempt.invalid else outcome)

    def _end(self, instance: InstanceState, outcome: Outcome) -> None:
        attempt, slot = instance.attempt, _slot(instance)
        self._active.pop(slot.name, None)
        while attempt.position < len(attempt.steps):
            self._step_ended(instance, attempt.steps[attempt.position], "Skipped", 1)
            attempt.position += 1
        if attempt.stop is not None:
            attempt.results.clear()  # what is cut off has no Results: in Tekton its Pod is deleted
        attempt.outcome, attempt.finished = outcome, self._commands.now
        self._commands.clear_timer(f"task:{slot.name}")
        for container in containers_of(slot):
            self._commands.clear_timer(f"container:{container}")
            self._commands.clear_timer(f"sidecar:{container}")
            self._waiting.pop(container, None)
        for sidecar in sorted(attempt.sidecars, key=lambda each: each.container):
            if sidecar.container in attempt.sidecars_running:
                self._commands.do(StopStep(sidecar.container, sidecar.request, self._plan.stop_grace))
        self._owner.attempt_ended(instance, outcome)


def _sidecar_finished(instance: InstanceState, sidecar: SidecarState, how: Exit, now: float) -> SidecarFinished:
    """Return the event for a Sidecar that ended before the Steps of its Task had."""
    code, (path, index, number) = exit_code_of(how), (instance.task.path, instance.index, instance.attempt.number)
    name, container, why = sidecar.plan.step.name, sidecar.container, reason_of(how)
    return SidecarFinished(now, path, index, number, name, container, code, why, how.error, how.start, how.end)


def _slot(instance: InstanceState) -> Slot:
    assert instance.slot is not None
    return instance.slot


def _add_params(instance: InstanceState, values: dict[Path, Value]) -> None:
    """Evaluate the Task's params in the Pipeline's scope; those of the matrix combination come last."""
    context = {path: value for path, value in values.items() if path[0] == "context"}
    scope = Scope(context, instance.task.pipeline.scope)
    for param in instance.task.plan.params:
        if param.name not in instance.params:
            values["params", param.name] = evaluate(param.value, scope)
    for name, value in instance.params.items():
        values["params", name] = value


def _step_scope(step: Step, attempt: AttemptState) -> Scope:
    if not step.params and not step.variables:
        return attempt.scope
    values: dict[Path, Value] = {parse_path(key): text for key, text in step.variables}
    for param in step.params:
        values["step", "params", param.name] = evaluate(param.value, attempt.scope)
    return Scope(values, attempt.scope)


def _continues(step: StepState) -> bool:
    assert step.scope is not None
    try:
        return substitute(step.plan.on_error, step.scope) == "continue"
    except EvaluationError:
        return False


def _take_step_results(attempt: AttemptState, step: StepState, event: ResultsRead, problems: list[str]) -> None:
    """Let the later Steps refer to what a Step has written; what is wrong with it goes to `problems`."""
    step.results = parsed_results(step.plan.results, partial(step_result_path, step.plan), event, problems)
    for name, value in step.results.items():
        attempt.values["steps", step.plan.name, "results", name] = value
    step.artifacts = merged(parsed_artifacts(step.plan, event, problems))
    for direction, name, text in step.artifacts.values():
        attempt.values["steps", step.plan.name, direction, name] = text


def _results_of_steps(plan: Task, attempt: AttemptState) -> dict[str, Value]:
    """Return the Results of a Task that are made of those of its Steps, as far as these are there."""
    return {
        each.name: evaluate(each.value, attempt.scope)
        for each in plan.results
        if each.value is not None
        and all(attempt.scope.get(reference.path) is not None for reference in references_in(each.value))
    }


def _container_died(how: Exit) -> bool:
    """Whether a request ended with its container, which `Attempts.container_died` reports."""
    return how.code is None and how.error != ""
