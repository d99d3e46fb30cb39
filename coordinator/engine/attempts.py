"""The attempts of Task instances: an attempt starts the Sidecars, waits until they are ready, and runs the Steps.

An attempt is in one ``State``, which says what it waits for. ``HANDLERS`` says what it does when something happens: a
handler issues commands and returns the next state. Anything that a state does not list is ignored.

    SIDECARS ─▶ CONTAINER ─▶ GUARDS ─▶ HELD_BEFORE ─▶ STEP ─▶ HELD_FAILED ─▶ READING ─▶ … the next Step's CONTAINER,
                                                       │                              or the Task's READING ─▶ OVER
                                                       └─▶ STOPPING ─▶ READING ─▶ OVER

A state is skipped if there is nothing to wait for: no Sidecars, a container that is ready, no CEL, no Results, no
breakpoint (``holds``). A breakpoint on failure holds no Step that was stopped, timed out, or lost its container.

When a Step fails, the Steps after it are skipped, except those that always run (``Step.always``, set by the compiler
only). The first failure stays the outcome, also if such a Step fails too or is cut off. None of them runs once the
attempt is cut off.

Semantics are Tekton's: docs/tasks.md (Steps, Sidecars, Results), docs/taskruns.md (timeouts, cancelling).

Left to others: when an attempt starts, and what follows from its end (``engine``); the request of a Step
(``step_request``), and the files that it writes (``step_files``); the tries of a readinessProbe (``readiness_probes``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from monopod.coordinator.engine.artifacts import merged
from monopod.coordinator.engine.attempt_values import add_params, results_of_steps, step_scope, take_step_results
from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.containers import Container, Containers
from monopod.coordinator.engine.events import (
    CelEvaluated,
    ContainerDied,
    ContainerReady,
    ContainerRestarted,
    Exit,
    HoldReleased,
    ProbeEnded,
    ReadResults,
    ResultsRead,
    RunStep,
    StepExited,
    StopStep,
    WriteExitCode,
)
from monopod.coordinator.engine.failure_reasons import (
    KILLED,
    WAS_KILLED,
    container_died,
    describe_continued,
    exit_code_of,
    failed_before_start,
    invalid_results,
    lost_sidecar,
    lost_step,
    outcome_if_stopped,
    outcome_of_pod,
    reason_of,
    step_failure,
    with_own_reason,
)
from monopod.coordinator.engine.happenings import (
    ContainerChanged,
    ContainerLate,
    HeadStartOver,
    ProbeDue,
    SidecarEnded,
    StepEnded,
    StepTimedOut,
    Stop,
)
from monopod.coordinator.engine.holds import Holds
from monopod.coordinator.engine.output_titles import title
from monopod.coordinator.engine.readiness_probes import ReadinessProbes
from monopod.coordinator.engine.run_state import (
    AttemptEnded,
    AttemptState,
    Change,
    InstanceState,
    Outcome,
    SidecarState,
    SlotCleared,
    State,
    StepState,
)
from monopod.coordinator.engine.shared_containers import after_others
from monopod.coordinator.engine.start_failures import StartFailure, described, outcome_of
from monopod.coordinator.engine.status import in_go_notation
from monopod.coordinator.engine.step_files import (
    artifact_paths,
    parse_written_artifacts,
    parse_written_results,
    result_path,
    step_directory,
    step_result_path,
    written_paths,
)
from monopod.coordinator.engine.step_request import RequestPlace, request_of
from monopod.coordinator.engine.when import Guards
from monopod.schemas.plan import Plan, Step, Value
from monopod.schemas.run_events import ContainerRestarted as RunContainerRestarted
from monopod.schemas.run_events import (
    OutputEnded,
    RunWarning,
    SidecarFinished,
    SidecarStarted,
    StepFinished,
    StepStarted,
    TaskStarted,
)
from monopod.schemas.variables import (
    EvaluationError,
    Path,
    Scope,
    substitute,
)

HEAD_START = 1.0
"""Seconds from the start of a Sidecar without a readinessProbe to the first Step.

Tekton waits until kubelet reports that the Sidecar runs, which takes about as long; Tasks have come to rely on it.
"""


HANDLERS: dict[State, dict[type[Any], str]] = {
    State.SIDECARS: {
        ContainerChanged: "_start_sidecars",
        ContainerLate: "_give_up_container",
        HeadStartOver: "_end_head_start",
        ProbeDue: "_probe",
        ProbeEnded: "_take_probe",
        SidecarEnded: "_end_awaited_sidecar",
        Stop: "_end_at_once",
    },
    State.CONTAINER: {
        ContainerChanged: "_start_next_step",
        ContainerLate: "_give_up_container",
        SidecarEnded: "_end_sidecar",
        Stop: "_end_at_once",
    },
    State.GUARDS: {
        CelEvaluated: "_take_truth",
        SidecarEnded: "_end_sidecar",
        Stop: "_end_at_once",
    },
    State.STEP: {
        StepEnded: "_end_step",
        StepTimedOut: "_time_out_step",
        SidecarEnded: "_end_sidecar",
        Stop: "_stop_step",
    },
    State.HELD_BEFORE: {
        HoldReleased: "_release_before",
        ContainerChanged: "_leave_lost_container",
        SidecarEnded: "_end_sidecar",
        Stop: "_end_held",
    },
    State.HELD_FAILED: {
        HoldReleased: "_release_failed",
        ContainerChanged: "_fail_in_lost_container",
        SidecarEnded: "_end_sidecar",
        Stop: "_stop_failed_step",
    },
    State.READING: {
        ResultsRead: "_take_results",
        SidecarEnded: "_end_sidecar",
        Stop: "_end_after_reading",
    },
    State.STOPPING: {
        StepEnded: "_end_step",
        SidecarEnded: "_end_sidecar",
    },
    State.OVER: {
        SidecarEnded: "_end_stopped_sidecar",
    },
}
"""What an attempt does, by its state and what happens: a method of ``Attempts`` that returns the next state."""


class Attempts:
    """Runs attempts, each in the slot of its instance. The methods return what the engine has to react to."""

    def __init__(self, plan: Plan, commands: Commands, containers: Containers, *, marks: bool) -> None:
        """With `marks`, the end of the output of each Step and Sidecar is marked."""
        self._plan = plan
        self._marks = marks
        self._commands = commands
        self._containers = containers
        self._holds = Holds(commands)
        self._probes = ReadinessProbes(
            commands, containers, lambda sidecar: self._react(sidecar.attempt, ProbeDue(sidecar))
        )
        self._latest: dict[str, AttemptState] = {}
        """The latest attempt in each slot."""
        self._handlers: dict[State, dict[type[Any], Callable[[AttemptState, Any], State]]] = {
            state: {kind: getattr(self, name) for kind, name in row.items()} for state, row in HANDLERS.items()
        }

    def start(self, instance: InstanceState, values: dict[Path, Value]) -> Change | None:
        """Start a further attempt of an instance, which has its slot. `values` are those of `$(context.…)`."""
        task, slot = instance.task, instance.slot
        assert slot is not None
        attempt = self._latest[slot.name] = AttemptState(instance, slot, values, self._commands.now)
        instance.attempts.append(attempt)
        self._commands.report(
            TaskStarted(self._commands.now, task.path, instance.index, attempt.number, slot.name, instance.params)
        )
        if task.plan.timeout is not None:
            self._commands.set_timer(f"task:{slot.name}", task.plan.timeout, partial(self._time_out, attempt))
        attempt.state = self._begin(attempt)
        return AttemptEnded(attempt) if attempt.state is State.OVER else None

    def _begin(self, attempt: AttemptState) -> State:
        try:
            add_params(attempt.instance, attempt.values)
        except EvaluationError as error:
            return self._end(attempt, Outcome("Failed", "InvalidParamValue", str(error)))
        for container in self._containers.of(attempt.slot):
            if container.start_failure is not None:
                return self._end(attempt, outcome_of(attempt.instance, container.name, container.start_failure))
        used_up = self._containers.used_up_in(attempt.slot)
        if used_up is not None:
            return self._end(attempt, lost_sidecar(used_up.name, used_up.lost))
        return self._start_sidecars(attempt, ContainerChanged())

    def stop(self, attempt: AttemptState, outcome: Outcome) -> Change | None:
        """Cut off an attempt. It ends when its running Step has been stopped, or at once if there is none."""
        return self._react(attempt, Stop(outcome))

    def _time_out(self, attempt: AttemptState) -> Change | None:
        instance = attempt.instance
        seconds = instance.task.plan.timeout
        message = f'TaskRun "{instance.name}" failed to finish within "{in_go_notation(seconds or 0)}"'
        return self.stop(attempt, Outcome("TimedOut", "TaskRunTimeout", message))

    def handle(
        self,
        event: StepExited
        | ResultsRead
        | ProbeEnded
        | HoldReleased
        | ContainerReady
        | ContainerDied
        | ContainerRestarted,
    ) -> Change | None:
        """Pass an event to the attempt that it concerns."""
        if isinstance(event, ResultsRead):
            return self._react_in(event.slot, event)
        container = self._containers[event.container]
        if isinstance(event, StepExited):
            return self._end_request(container, event)
        if isinstance(event, ProbeEnded | HoldReleased):
            return self._react_around(container, event)
        if isinstance(event, ContainerDied) and event.will_restart and container.ending:
            container.die()
            return None  # which is known
        self._commands.clear_timer(f"container:{container.name}")
        if isinstance(event, ContainerDied):
            return self._lose(container, event)
        if isinstance(event, ContainerRestarted):
            container.restart(event.life)
            mark = event.mark if self._marks else ""
            self._commands.report(RunContainerRestarted(self._commands.now, container.name, event.life, mark))
        else:
            container.ready = True
        return self._react_around(container, ContainerChanged())

    def _end_request(self, container: Container, event: StepExited) -> Change | None:
        container.next_request = max(container.next_request, event.exit.next)  # the entrypoint has passed some over
        if container.occupant is None or container.occupant.request != event.request:
            return None
        self._check_reuse(container, event.exit)
        return self._vacate(container, event.exit)

    def _lose(self, container: Container, event: ContainerDied) -> Change | None:
        if event.reason and not container.ready:
            return self._fail_to_start(container, StartFailure(event.reason, event.message))
        if event.will_restart:
            container.die()
        else:
            container.lose(WAS_KILLED)
        if container.occupant is not None:
            return self._vacate(container, KILLED)
        return self._react_around(container, ContainerChanged())

    def _vacate(self, container: Container, how: Exit) -> Change | None:
        """Let the attempt react to the end of the Step or Sidecar in a container."""
        occupant, container.occupant = container.occupant, None
        assert occupant is not None
        ended = StepEnded(occupant, how) if isinstance(occupant, StepState) else SidecarEnded(occupant, how)
        return self._react(occupant.attempt, ended)

    def _react_in(self, slot: str, happening: object) -> Change | None:
        attempt = self._latest.get(slot)
        return None if attempt is None else self._react(attempt, happening)

    def _react_around(self, container: Container, happening: object) -> Change | None:
        attempt = self._attempt_around(container)
        return None if attempt is None else self._react(attempt, happening)

    def _attempt_around(self, container: Container) -> AttemptState | None:
        """Return the attempt that is not over in one of the container's slots: at most one, since none overlap."""
        attempts = [self._latest[slot] for slot in container.slots if slot in self._latest]
        return next((attempt for attempt in attempts if attempt.state is not State.OVER), None)

    def _react(self, attempt: AttemptState, happening: object) -> Change | None:
        handler = self._handlers[attempt.state].get(type(happening))
        if handler is None:
            return None
        was_over = attempt.state is State.OVER
        attempt.state = handler(attempt, happening)
        if attempt.state is not State.OVER:
            return None
        if not was_over:
            return AttemptEnded(attempt)
        return None if attempt.occupies_slot else SlotCleared(attempt)

    # Containers

    def _fail_to_start(self, container: Container, failure: StartFailure) -> Change | None:
        """Fail the attempt that needs a container that never starts, for a Step or for a Sidecar."""
        container.lose("did not start")
        container.start_failure = container.start_failure or failure
        attempt = self._attempt_around(container)
        return None if attempt is None else self.stop(attempt, outcome_of(attempt.instance, container.name, failure))

    def _await_container(self, attempt: AttemptState, container: str) -> None:
        timer = f"container:{container}"
        if not self._commands.has_timer(timer):
            action = partial(self._react, attempt, ContainerLate(container))
            self._commands.set_timer(timer, self._patience(self._containers[container]), action)
            self._report_restart(self._containers[container])

    def _patience(self, container: Container) -> float:
        return self._plan.container_start_timeout + container.back_off

    def _report_restart(self, container: Container) -> None:
        """Report that an attempt waits for a container that is restarted."""
        if container.deaths:
            after = f" (back-off of {container.back_off:g} s or more)" if container.back_off else ""
            text = f'container "{container.name}" was killed; waiting for its restart{after}'
            self._commands.report(RunWarning(self._commands.now, text))

    def _give_up_container(self, attempt: AttemptState, late: ContainerLate) -> State:
        container = self._containers[late.container]
        container.lose("did not start in time")
        seconds = self._patience(container)
        message = f'container "{container.name}" did not start within {seconds:g} seconds'
        if container.deaths:
            message = f'container "{container.name}" was not restarted within {seconds:g} seconds'
        step = next(iter(attempt.steps[attempt.position :]), None)
        if step is not None and step.container == container.name:
            step.message = message
        return self._end(attempt, outcome_if_stopped(attempt, Outcome("Failed", "PodCreationFailed", message)))

    def _check_reuse(self, container: Container, how: Exit) -> None:
        """Give up a container in which something may still run: its output would be attributed to the next request."""
        if how.restart:
            container.expect_restart()
        elif how.left:
            why = f"cannot be used again, because a process in it cannot be killed: {how.left}"
            container.lose(why)
            self._commands.report(RunWarning(self._commands.now, f'container "{container.name}" {why}'))
        elif self._marks and how.mark is None:
            container.lose("cannot be used again, because the end of its output is not known")

    # Sidecars

    def _start_sidecars(self, attempt: AttemptState, _: ContainerChanged) -> State:
        """Start each Sidecar whose container is ready, then the Steps if no Sidecar is awaited."""
        for sidecar in attempt.sidecars:
            if sidecar.request or not sidecar.awaited:
                continue
            container = self._containers[sidecar.container]
            if container.lost:
                sidecar.end, sidecar.awaited = KILLED, False
            elif not container.ready:
                self._await_container(attempt, container.name)
            elif not self._start_sidecar(attempt, sidecar):
                return self._finish_steps(attempt)
        return self._start_steps(attempt)

    def _start_steps(self, attempt: AttemptState) -> State:
        """Start the Steps, unless a Sidecar is awaited."""
        if any(sidecar.awaited for sidecar in attempt.sidecars):
            return State.SIDECARS
        return self._start_next_step(attempt, ContainerChanged())

    def _start_sidecar(self, attempt: AttemptState, sidecar: SidecarState) -> bool:
        """Start a Sidecar. Returns False if a reference in it cannot be replaced."""
        container, plan = self._containers[sidecar.container], sidecar.plan
        try:
            command = self._request_of(attempt, sidecar, plan.step, attempt.scope)
        except EvaluationError as error:
            attempt.ending = Outcome("Failed", "InvalidParamValue", str(error))
            return False
        container.admit(sidecar)
        attempt.begun = sidecar.running = True
        sidecar.command, sidecar.started = command, self._commands.now
        self._commands.do(command)
        path, index = attempt.instance.task.path, attempt.instance.index
        self._commands.report(
            SidecarStarted(
                self._commands.now, path, index, attempt.number, plan.step.name, container.name, command.title
            )
        )
        if plan.readiness is None:
            action = partial(self._react, attempt, HeadStartOver(sidecar))
            self._commands.set_timer(f"sidecar:{container.name}", HEAD_START, action)
        else:
            self._probes.begin(sidecar, plan.readiness)
        return True

    def _end_head_start(self, attempt: AttemptState, over: HeadStartOver) -> State:
        over.sidecar.awaited = False
        return self._start_steps(attempt)

    def _probe(self, attempt: AttemptState, due: ProbeDue) -> State:
        self._probes.proceed(due.sidecar)
        return attempt.state

    def _take_probe(self, attempt: AttemptState, ended: ProbeEnded) -> State:
        for sidecar in attempt.sidecars:
            if (sidecar.container, sidecar.probe) == (ended.container, ended.request):
                is_ready = self._probes.take(sidecar, succeeded=ended.succeeded, reason=ended.reason)
                sidecar.awaited = not is_ready
        return self._start_steps(attempt)

    def _end_awaited_sidecar(self, attempt: AttemptState, ended: SidecarEnded) -> State:
        """Record the end of a Sidecar, which then counts as ready, as in Tekton."""
        self._end_sidecar(attempt, ended)
        return self._start_steps(attempt)

    def _end_sidecar(self, attempt: AttemptState, ended: SidecarEnded) -> State:
        """Record and report that a Sidecar ended before the Steps did."""
        sidecar, how = ended
        self._end_stopped_sidecar(attempt, ended)
        self._commands.report(_sidecar_finished(sidecar, how, self._commands.now))
        sidecar.end, sidecar.awaited = how, False
        return attempt.state

    def _end_stopped_sidecar(self, attempt: AttemptState, ended: SidecarEnded) -> State:
        ended.sidecar.running = False
        self._probes.stop(ended.sidecar)
        if self._marks:
            self._commands.report(OutputEnded(self._commands.now, ended.sidecar.container, ended.exit.mark))
        return attempt.state

    # Steps

    def _start_next_step(self, attempt: AttemptState, _: ContainerChanged) -> State:
        """Start the next Step that is not skipped, or wait for its container; finish if there is none."""
        while (attempt.ending is None and attempt.position < len(attempt.steps)) or attempt.closes:
            step = attempt.steps[attempt.position]
            container = self._containers[step.container]
            if attempt.ending is not None and (not step.plan.always or container.lost):
                step.message = f'container "{container.name}" {container.lost}' if step.plan.always else ""
                self._commands.clear_timer(f"container:{container.name}")
                self._report_end(attempt, step, "Skipped", 1)
                attempt.position += 1
            elif attempt.ending is None and (lost := self._lost_for(attempt)) is not None:
                attempt.ending = lost_step(lost.name, lost.lost)
            elif not container.ready:
                attempt.closing = attempt.ending is not None
                self._await_container(attempt, step.container)
                return State.CONTAINER
            elif (state := self._start_step(attempt, step)) is not None:
                attempt.closing = attempt.ending is not None and step.plan.always
                return state
            else:
                attempt.position += 1
        return self._finish_steps(attempt)

    def _lost_for(self, attempt: AttemptState) -> Container | None:
        """Return the first lost container of the Steps that are still to run, or None."""
        needed = (self._containers[each.container] for each in attempt.steps[attempt.position :])
        return next((container for container in needed if container.lost), None)

    def _take_truth(self, attempt: AttemptState, event: CelEvaluated) -> State:
        guards = attempt.steps[attempt.position].guards
        assert guards is not None
        guards.answer(truth=event.truth, problem=event.problem)
        return self._start_next_step(attempt, ContainerChanged())

    def _request_of(
        self, attempt: AttemptState, occupant: StepState | SidecarState, step: Step, scope: Scope
    ) -> RunStep:
        place = RequestPlace(attempt.slot.name, occupant.container, self._containers[occupant.container].next_request)
        is_sidecar = isinstance(occupant, SidecarState)
        command = request_of(place, step, scope, occupant.program, is_sidecar=is_sidecar)
        container = self._containers[occupant.container]
        text = title(attempt, step.name, is_first=command.request == 1) if container.is_reused else ""
        return command._replace(fresh=not attempt.begun, is_marked=self._marks, title=text)

    def _start_step(self, attempt: AttemptState, step: StepState) -> State | None:
        """Start a Step or the evaluation of its guards. Returns None if it is skipped or a reference in it is wrong."""
        task = attempt.instance.task
        try:
            if step.scope is None:
                step.scope = step_scope(step.plan, attempt)
                step.guards = Guards(step.plan.when, step.scope)
            guards = step.guards
            assert guards is not None
            if guards.problem:
                raise EvaluationError(guards.problem)
            if guards.unanswered:
                self._commands.evaluate(guards.unanswered, partial(self._react, attempt))
                return State.GUARDS
            if guards.false is not None:
                self._report_end(attempt, step, "Skipped", 0)
                return None
            command = self._request_of(attempt, step, step.plan, step.scope)
            is_shared = self._containers[step.container].is_shared
            label = f"{task.path}/{step.plan.name}" if is_shared else ""
            command = command._replace(readable=written_paths(task.plan, step.plan), label=label)
            if step.plan.hold_before and not step.is_released:
                attempt.begun = True
                self._holds.begin(step, State.HELD_BEFORE, command)
                return State.HELD_BEFORE
            if is_shared:
                command = after_others(command, step, alone=self._containers.are_idle)
        except EvaluationError as error:
            step.message = str(error)
            self._report_end(attempt, step, "Error", 1)
            text = f'"step-{step.plan.name}" could not start: {error}'
            attempt.ending = attempt.ending or Outcome("Failed", "StepFailed", text)
            return None
        attempt.begun = True
        self._containers[step.container].admit(step)
        step.started = self._commands.now
        self._commands.do(command)
        if step.plan.timeout is not None:
            action = partial(self._react, attempt, StepTimedOut(step))
            self._commands.set_timer(f"step:{step.container}", step.plan.timeout, action)
        index, name, container = attempt.instance.index, step.plan.name, step.container
        self._commands.report(
            StepStarted(
                self._commands.now, task.path, index, attempt.number, name, container, self._marks, command.title
            )
        )
        return State.STEP

    def _time_out_step(self, attempt: AttemptState, timed_out: StepTimedOut) -> State:
        timed_out.step.timed_out = True
        self._send_stop(timed_out.step)
        return attempt.state

    def _stop_step(self, attempt: AttemptState, stop: Stop) -> State:
        attempt.stop = stop.outcome
        self._send_stop(attempt.steps[attempt.position])
        return State.STOPPING

    def _send_stop(self, occupant: StepState | SidecarState) -> None:
        self._commands.do(StopStep(occupant.container, occupant.request, self._plan.stop_grace))

    def _end_step(self, attempt: AttemptState, ended: StepEnded) -> State:
        step, how = ended
        self._commands.clear_timer(f"step:{step.container}")
        step.start, step.end = how.start, how.end
        step.exit_code, step.message = exit_code_of(how), how.error
        step.out_of_memory = how.out_of_memory
        if self._holds_failure(attempt, step, how):
            step.exit = how
            self._holds.begin(step, State.HELD_FAILED)
            return State.HELD_FAILED
        return self._settle_step(attempt, step, how)

    def _settle_step(self, attempt: AttemptState, step: StepState, how: Exit) -> State:
        """Record and report how a Step ended, and read its Results."""
        if attempt.stop is not None:
            reason = "TimedOut" if attempt.stop.status == "TimedOut" else "Cancelled"
            self._report_end(attempt, step, reason, None, how)
            attempt.ending = outcome_if_stopped(attempt, attempt.stop)
        elif step.timed_out:
            step.message = "the Step exceeded its timeout"
            self._report_end(attempt, step, "TimedOut", step.exit_code or 1, how)
            attempt.ending = attempt.ending or step_failure(step)
        elif step.exit_code and _continues(step) and not container_died(how):
            step.tolerated = True
            self._report_end(attempt, step, "Continued", None, how)
        elif step.is_continued:
            self._report_end(attempt, step, "Completed", None, how)
        else:
            self._report_end(attempt, step, reason_of(how), None, how)
        if attempt.ending is None and (step.out_of_memory or (step.exit_code and not step.tolerated)):
            attempt.ending = step_failure(step)  # where memory ran out, also with exit code 0
        attempt.position += 1
        paths = tuple(step_result_path(step.plan, result.name) for result in step.plan.results)
        paths += artifact_paths(step.plan)
        return self._read(attempt, paths) if paths else self._start_next_step(attempt, ContainerChanged())

    # Holds

    def _holds_failure(self, attempt: AttemptState, step: StepState, how: Exit) -> bool:
        """Return whether a Step that has ended is held: it has failed its attempt, by itself, in a usable container."""
        if not step.plan.hold_on_failure or attempt.stop is not None or attempt.ending is not None or step.timed_out:
            return False
        fails = how.out_of_memory or (step.exit_code != 0 and not _continues(step))
        return fails and self._containers[step.container].ready

    def _release_before(self, attempt: AttemptState, event: HoldReleased) -> State:
        """Run the Step that is held, or fail it."""
        step = attempt.steps[attempt.position]
        if event.container != step.container:
            return attempt.state
        self._holds.end(step, event.verdict)
        step.is_released = True
        if event.verdict == "fail":
            step.message = failed_before_start()
            self._report_end(attempt, step, "Error", 1)
            attempt.ending = attempt.ending or step_failure(step)
            attempt.position += 1
        return self._start_next_step(attempt, ContainerChanged())

    def _leave_lost_container(self, attempt: AttemptState, _: ContainerChanged) -> State:
        """Fail if a container is lost that the attempt still needs. The hold of a container that restarts continues."""
        step = attempt.steps[attempt.position]
        is_lost = (
            self._lost_for(attempt) is not None if attempt.ending is None else self._containers[step.container].lost
        )
        if not is_lost:
            return attempt.state
        self._holds.end(step)
        return self._start_next_step(attempt, ContainerChanged())

    def _end_held(self, attempt: AttemptState, stop: Stop) -> State:
        self._holds.end(attempt.steps[attempt.position])
        return self._end_at_once(attempt, stop)

    def _release_failed(self, attempt: AttemptState, event: HoldReleased) -> State:
        """Let the Step that is held have succeeded, as Tekton's debug-continue does, or let it have failed."""
        step = attempt.steps[attempt.position]
        if event.container != step.container:
            return attempt.state
        self._holds.end(step, event.verdict)
        if event.verdict == "continue":
            step.message = describe_continued(step)
            step.is_continued, step.exit_code, step.out_of_memory = True, 0, False
        return self._settle_step(attempt, step, step.exit)

    def _fail_in_lost_container(self, attempt: AttemptState, _: ContainerChanged) -> State:
        is_lost = self._containers[attempt.steps[attempt.position].container].lost
        return self._fail_held(attempt) if is_lost else attempt.state

    def _stop_failed_step(self, attempt: AttemptState, stop: Stop) -> State:
        attempt.stop = stop.outcome
        return self._fail_held(attempt)

    def _fail_held(self, attempt: AttemptState) -> State:
        step = attempt.steps[attempt.position]
        self._holds.end(step)
        return self._settle_step(attempt, step, step.exit)

    def _report_end(
        self, attempt: AttemptState, step: StepState, reason: str, exit_code: int | None, how: Exit | None = None
    ) -> None:
        """Record and report how a Step ended. `exit_code` overrides that of the process."""
        if exit_code is not None:
            step.exit_code = exit_code
        step.reason = reason
        if reason != "Skipped" or step.exit_code == 0:
            self._containers[step.container].exit_code = 0 if step.tolerated else step.exit_code
        if how is not None and attempt.position + 1 < len(attempt.steps):
            directory = step_directory(step.plan)
            self._commands.do(WriteExitCode(attempt.slot.name, directory, attempt.position, step.exit_code))
        self._commands.report(
            StepFinished(
                self._commands.now,
                attempt.instance.task.path,
                attempt.instance.index,
                attempt.number,
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

    def _finish_steps(self, attempt: AttemptState) -> State:
        """Read the Task's Results, then end the attempt: no further Step runs."""
        plan = attempt.instance.task.plan
        paths = tuple(result_path(each.name) for each in plan.results if each.value is None) + artifact_paths(plan)
        if paths and attempt.begun and not attempt.collected:  # else the files there are an earlier attempt's
            attempt.collected = True
            return self._read(attempt, paths)
        return self._conclude(attempt)

    def _read(self, attempt: AttemptState, paths: tuple[str, ...]) -> State:
        self._commands.do(ReadResults(attempt.slot.name, paths))
        return State.READING

    def _take_results(self, attempt: AttemptState, event: ResultsRead) -> State:
        """Take the Results of a Step or of the Task, and continue."""
        problems = list(event.problems.values())
        if attempt.collected:
            plan = attempt.instance.task.plan
            attempt.results = parse_written_results(plan.results, result_path, event, problems)
            attempt.artifacts = merged(parse_written_artifacts(plan, event, problems))
        else:
            step = attempt.steps[attempt.position - 1]
            take_step_results(attempt, step, event, problems)
            if attempt.ending is not None and step.reason == "Error":
                attempt.ending = with_own_reason(attempt.ending, step)
        if attempt.stop is not None:
            attempt.ending = outcome_if_stopped(attempt, attempt.stop)
        elif problems and attempt.collected:
            attempt.invalid = invalid_results(problems, too_large=event.too_large)
        elif problems and attempt.ending is None:
            attempt.ending = invalid_results(problems, too_large=event.too_large)
        return self._start_next_step(attempt, ContainerChanged())

    def _end_after_reading(self, attempt: AttemptState, stop: Stop) -> State:
        attempt.stop = attempt.stop or stop.outcome
        return attempt.state

    def _end_at_once(self, attempt: AttemptState, stop: Stop) -> State:
        attempt.stop = stop.outcome
        return self._end(attempt, outcome_if_stopped(attempt, stop.outcome))

    def _conclude(self, attempt: AttemptState) -> State:
        """Take the Task's Results that come from its Steps, and end the attempt."""
        attempt.artifacts = merged([*(step.artifacts for step in attempt.steps), attempt.artifacts])
        try:
            attempt.results |= results_of_steps(attempt.instance.task.plan, attempt)
        except EvaluationError as error:
            attempt.invalid = attempt.invalid or invalid_results([str(error)])
        success = Outcome("Succeeded", "Succeeded", "All Steps have completed executing")
        stopped = None if attempt.stop is None else outcome_if_stopped(attempt, attempt.stop)
        outcome = stopped or outcome_of_pod(attempt, attempt.ending or success)
        return self._end(attempt, attempt.invalid if outcome.succeeded and attempt.invalid else outcome)

    def _end(self, attempt: AttemptState, outcome: Outcome) -> State:
        """Record the outcome, and stop the Sidecars."""
        while attempt.position < len(attempt.steps):
            step = attempt.steps[attempt.position]
            if (failure := self._containers[step.container].start_failure) is not None:
                step.message = described(failure)
            self._report_end(attempt, step, "Skipped", 1)
            attempt.position += 1
        if attempt.stop is not None:
            attempt.results.clear()  # what is cut off has no Results: in Tekton its Pod is deleted
        attempt.outcome, attempt.finished = outcome, self._commands.now
        self._commands.clear_timer(f"task:{attempt.slot.name}")
        for container in self._containers.of(attempt.slot):
            self._commands.clear_timer(f"container:{container.name}")
            self._commands.clear_timer(f"sidecar:{container.name}")
        for sidecar in sorted(attempt.sidecars, key=lambda each: each.container):
            if sidecar.running:
                (self._probes.give_up if sidecar.awaited else self._probes.stop)(sidecar)
                self._send_stop(sidecar)
        return State.OVER


def _sidecar_finished(sidecar: SidecarState, how: Exit, now: float) -> SidecarFinished:
    """Return the event for a Sidecar that ended before the Steps of its Task had."""
    attempt = sidecar.attempt
    path, index, number = attempt.instance.task.path, attempt.instance.index, attempt.number
    name, container, why = sidecar.plan.step.name, sidecar.container, reason_of(how)
    code = exit_code_of(how)
    return SidecarFinished(now, path, index, number, name, container, code, why, how.error, how.start, how.end)


def _continues(step: StepState) -> bool:
    assert step.scope is not None
    try:
        return substitute(step.plan.on_error, step.scope) == "continue"
    except EvaluationError:
        return False
