"""The expected outcome of a Plan, computed by a naive loop over time that checks everything at each moment.

Written from Tekton's documentation (docs/pipelines.md, pipelineruns.md, taskruns.md, tasks.md, matrix.md), not from the
engine, and sharing nothing with it. At each moment everything is checked repeatedly until nothing changes; then
the clock jumps to the next moment at which something can change. Knows strings and arrays, `in` and `notin`; of CEL
only the comparison of two texts: anything else has no truth. Expressions of a Task or Step take their time one after
another; no Task starts while guards of another are evaluated. Sidecars start one second before the Steps or, with a
probe, when they are ready; a try of a probe takes half a second.

A container of a slot that restarts is there again a while after its death, empty. What ran in it was killed (137) and
is not run again in the same attempt; a further attempt waits for it, as long as for one that starts, and longer by
what kubelet waits before a restart (Kubernetes docs, "Container restarts": nothing, then 10, 20, 40 … 300 s).

A breakpoint (Tekton's docs/debug.md) holds an attempt before a Step, or after it has failed by itself, until somebody
releases it: to run the Step or let it have succeeded, or to fail it. Meanwhile the clocks of the timeouts that would
end it stand still: of its Task, and of the Pipelines around it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulation import Behaviour, restarting_containers_of

from monopod.schemas.plan import Matrix, Pipeline, Plan, Probe, Slot, Step, Task, Value, WhenExpression

SKIP, REJECT, START, DECIDE, PLACE = "skip", "reject", "start", "decide", "place"
AFTER = {SKIP: REJECT, REJECT: START, START: DECIDE, DECIDE: PLACE, PLACE: None}
"""All that is skipped, in all Pipelines, is skipped before anything is rejected, and that before anything starts.

What starts and ends at once has done so before one combination of a matrix decides about the others. If only so many
TaskRuns may run at the same time, the places that are free then are given away last.
"""
CANCEL_MODES = ("StoppedRunFinally", "CancelledRunFinally", "Cancelled")  # from the mildest to the hardest
FROM_OUTSIDE = (
    *("TaskRunCancelled", "TaskRunTimeout", "TaskRunImagePullFailed"),
    *("CreateContainerConfigError", "PodCreationFailed"),
)  # why a TaskRun ended whose Steps then have the same reason
NEVER = math.inf
Values = dict[str, str | tuple[str, ...]]


@dataclass
class World:
    """Everything outside of the Plan: behaviours of Steps, starts and deaths of containers, cancellations."""

    behave: Callable[[str, int], Behaviour]  # of a container and the number of the request
    ready: dict[str, float | None] = field(default_factory=dict)  # container -> when it comes (else 0; None: never)
    deaths: dict[str, float] = field(default_factory=dict)  # container -> when it is killed
    cancels: tuple[tuple[float, str], ...] = ()
    start_failures: dict[str, float] = field(default_factory=dict)  # container that never comes -> when that is known
    cel_delay: float = 0.0  # how long a CEL expression takes
    failing_probes: int = 0  # how many of the first tries of each Sidecar's probe fail
    restart_delay: float | None = 0.0  # from the death of a container that restarts until it is back (None: never)
    release: Callable[[str, int], tuple[float, str]] = lambda *_: (1.0, "continue")
    """Of a container and the number of its hold: after how long somebody releases it, to "continue" or to "fail"."""


@dataclass
class Expected:
    """The expected outcome. A Task is named by its path, "outer/inner" in a nested Pipeline."""

    conditions: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # path of Pipeline, "" on top -> reason, message
    results: dict[str, dict[str, Value]] = field(default_factory=dict)  # path of Pipeline -> its Results
    skipped: dict[str, str] = field(default_factory=dict)
    reasons: dict[tuple[str, int | None], str] = field(default_factory=dict)  # of each TaskRun
    attempts: dict[tuple[str, int | None], list[tuple[float, float, str]]] = field(default_factory=dict)
    steps: dict[tuple[str, int | None, int], list[tuple[str, str, int]]] = field(default_factory=dict)
    requests: list[tuple[float, str, int, tuple[str, ...]]] = field(default_factory=list)
    finished_at: float = 0


def fill(text: str, values: Values) -> str:
    def replace(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return value if isinstance(value, str) else match[0]

    return re.sub(r"\$\(([^()]+)\)", replace, text)


def fill_all(texts: tuple[str, ...], values: Values) -> tuple[str, ...]:
    filled: list[str] = []
    for text in texts:
        value = values.get(text[2:-1])
        filled += value if isinstance(value, tuple) else [fill(text, values)]
    return tuple(filled)


def fill_value(value: Value, values: Values) -> Value:
    whole = values.get(value[2:-1]) if isinstance(value, str) else None
    if isinstance(whole, tuple):
        return whole
    return fill(value, values) if isinstance(value, str) else fill_all(tuple(value), values)


def named(prefix: str, value: Value) -> Values:
    """The references under which a param or Result is known."""
    if isinstance(value, str):
        return {prefix: value}
    return {f"{prefix}[*]": tuple(value), **{f"{prefix}[{index}]": text for index, text in enumerate(value)}}


def verdict(expressions: tuple[WhenExpression, ...], values: Values) -> tuple[bool | None, int]:
    """Whether all hold (None: one has no truth), and how many were evaluated by CEL. Missing values are ignored."""
    evaluated = 0
    for expression in expressions:
        text = fill(expression.cel or expression.input, values)
        if ".results." in text:
            continue
        if expression.cel:
            evaluated += 1
            compared = re.fullmatch(r"'(.*)' (==|!=) '(.*)'", text)
            if compared is None:
                return None, evaluated
            holds = (compared[1] == compared[3]) == (compared[2] == "==")
        else:
            holds = (text in fill_all(expression.values, values)) == (expression.operator == "in")
        if not holds:
            return False, evaluated
    return True, evaluated


@dataclass
class RunningSidecar:
    """A Sidecar, from its request to its end."""

    number: int  # of its request
    start: float
    ready: float
    end: float
    tries: list[float] = field(default_factory=list)  # when its container runs the command of its probe
    retires: bool = False


def deadline(attempts: list[Attempt], start: float, timeout: float | None) -> float:
    """When a timeout expires that stands still while one of these attempts is held."""
    if not timeout or any(attempt.hold for attempt in attempts):
        return NEVER
    stood, until = 0.0, start
    for hold in sorted((hold for each in attempts for hold in each.holds), key=lambda each: each.start):
        stood += max(0.0, hold.end - max(hold.start, until))
        until = max(until, hold.end)
    return start + timeout + stood


def tries_of(probe: Probe, start: float, failing: int) -> list[float]:
    """When the tries of a Sidecar's probe begin, the last element being when the last one has succeeded.

    Kubernetes: after an initial delay, so many successes in a row. The pauses double, from 0.05 s up to the period.
    """
    times, pause = [start + probe.initial_delay], 0.05
    for _ in range(failing + probe.success_threshold - 1):
        times.append(times[-1] + 0.5 + min(pause, probe.period))
        pause *= 2
    return [*times, times[-1] + 0.5]


@dataclass
class Hold:
    """An attempt is held, before a Step or after one has failed, from a moment to another."""

    start: float
    end: float
    verdict: str
    has_failed: bool


@dataclass
class Attempt:
    start: float
    waiting_since: float
    cause: str = ""  # why it must end early, if it must
    end: float | None = None
    reason: str = ""
    position: int = 0
    step_start: float | None = None  # of the Step that is running
    decided_at: float | None = None  # when the guards of the next Step are evaluated
    step_stop: float = NEVER
    step_timed_out: bool = False
    holds: list[Hold] = field(default_factory=list)
    hold: Hold | None = None
    released: int = -1  # the position of the Step that was held before its start, and may start
    failed: bool = False
    closing: bool = False  # it has failed, and waits for a Step that runs all the same, or runs it
    killed_for_memory: bool = False  # the Step that failed it was
    behaviour: Behaviour = field(default_factory=Behaviour)
    files: dict[str, str] = field(default_factory=dict)
    step_results: Values = field(default_factory=dict)
    steps: list[tuple[str, str, int]] = field(default_factory=list)
    sidecars: dict[str, RunningSidecar] = field(default_factory=dict)
    sidecars_ready: bool = False
    again: bool = False


@dataclass
class Instance:
    """A TaskRun."""

    params: dict[str, Value]
    name: str
    pipeline: PipelineState
    slot: Slot | None = None
    attempts: list[Attempt] = field(default_factory=list)
    killed: bool = False
    reason: str = ""
    results: dict[str, Value] = field(default_factory=dict)


class TaskState:
    def __init__(self, task: Task, path: str) -> None:
        self.task, self.path = task, path
        self.skipped = ""
        self.over = False
        self.invalid = False
        self.decided_at: float | None = None  # when its guards are evaluated
        self.turn: int | None = None  # it waits for a place; the lowest gets one first
        self.instances: list[Instance] = []
        self.child: PipelineState | None = None

    @property
    def reused(self) -> bool:
        return self.task.left_out is not None and self.task.left_out.reused

    @property
    def started(self) -> bool:
        return bool(self.instances) or self.child is not None

    @property
    def ran(self) -> bool:
        """Whether it has run to its end."""
        if not self.over and self.started:
            ended = self.child.end is not None if self.child else all(each.reason for each in self.instances)
            self.over = ended
        return self.over

    @property
    def done(self) -> bool:
        return bool(self.skipped) or self.invalid or self.ran

    def deciding_reason(self) -> str:
        """The reason of the combination that decides about the matrix, though others may not have ended."""
        matrix = self.task.matrix or Matrix()
        for instance in self.instances:
            if not instance.reason or instance.killed:
                continue
            if matrix.completion == "any" if instance.reason == "Succeeded" else matrix.fail_fast:
                return instance.reason
        return ""

    def reasons(self) -> list[str]:
        if reason := self.deciding_reason():
            return [reason]
        return [self.child.reason] if self.child else [instance.reason for instance in self.instances]

    @property
    def failed(self) -> bool:
        return self.ran and any(reason not in ("Succeeded", "Completed") for reason in self.reasons())

    def results(self) -> dict[str, Value]:
        if self.task.left_out:
            return {param.name: param.value for param in self.task.left_out.results}
        if self.child:
            return self.child.results
        if self.task.matrix is None:
            return self.instances[0].results if self.ran else {}
        any_counts = self.task.matrix.completion == "any"
        counted = [each for each in self.instances if not any_counts or each.reason == "Succeeded"]
        names = {name: None for instance in counted for name in instance.results} if self.ran else {}
        return {name: tuple(str(each.results[name]) for each in counted if name in each.results) for name in names}


class PipelineState:
    def __init__(self, pipeline: Pipeline, path: str, start: float, params: dict[str, Value]) -> None:
        prefix = f"{path}/" if path else ""
        self.pipeline, self.path, self.start, self.params = pipeline, path, start, params
        self.tasks = [TaskState(task, prefix + task.name) for task in pipeline.tasks]
        self.finals = [TaskState(task, prefix + task.name) for task in pipeline.final_tasks]
        self.by_name = {state.task.name: state for state in (*self.tasks, *self.finals)}
        self.mode = ""  # how it is being cancelled
        self.timed_out = self.tasks_timed_out = self.finally_timed_out = False
        self.finally_start: float | None = None
        self.end: float | None = None
        self.reason = self.message = ""
        self.results: dict[str, Value] = {}
        self.known: dict[tuple[bool, int], Values] = {}
        self.attempts: list[Attempt] = []  # in it, and in the Pipelines inside it
        self.parent: PipelineState | None = None

    def deadline(self, start: float, timeout: float | None) -> float:
        """When a timeout that began at `start` expires: never while an attempt in it is held."""
        return deadline(self.attempts, start, timeout)

    def values(self, final: bool = False) -> Values:
        key = final, sum(state.ran for state in self.by_name.values())  # they change only when a Task ends
        if key not in self.known:
            self.known[key] = self.all_values(final)
        return self.known[key]

    def all_values(self, final: bool) -> Values:
        values: Values = {}
        for name, value in self.params.items():
            values |= named(f"params.{name}", value)
        for name, state in self.by_name.items():
            for result, value in state.results().items() if state.ran or state.task.left_out else ():
                kind = "finally" if state in self.finals else "tasks"
                values |= named(f"{kind}.{name}.results.{result}", value)
        if final:
            for state in self.tasks:
                first_bad = [reason for reason in state.reasons() if reason not in ("Succeeded", "Completed")]
                outcome = "None" if not state.ran else "Failed" if state.failed else "Succeeded"
                outcome = "Succeeded" if state.reused else outcome
                values[f"tasks.{state.task.name}.status"] = outcome
                values[f"tasks.{state.task.name}.reason"] = (first_bad or state.reasons() or [""])[0]
                if state.reused:
                    values[f"tasks.{state.task.name}.reason"] = "Succeeded"
            failed, skipped = any(s.failed for s in self.tasks), any(s.skipped and not s.reused for s in self.tasks)
            values["tasks.status"] = "Failed" if failed else "Completed" if skipped else "Succeeded"
        return values

    @property
    def stopping(self) -> bool:
        return any((s.failed or s.invalid) and s.task.on_error != "continue" for s in self.tasks)


class Oracle:
    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world = plan, world
        self.now = 0.0
        self.changed = False
        self.stage: str | None = SKIP
        self.counts: dict[str, int] = {}
        self.lost: set[str] = set()  # containers that did not come in time
        self.died: dict[str, float] = {}  # container -> when it died because the end of a Step was lost
        self.retired: dict[str, float] = {}  # container -> when something ended in it that left a process behind
        self.restarting = set(restarting_containers_of(plan.pipeline))
        self.holds: dict[str, int] = {}  # how often an attempt was held in a container
        self.ends: dict[str, list[float]] = {}  # of such a container: when it ended with a Step
        self.served: dict[str, list[RunningSidecar]] = {}  # of such a container: what may end it when it ends
        self.waiting: list[tuple[PipelineState, TaskState, bool]] = []  # Tasks by their turn
        self.evaluated: list[TaskState] = []  # those whose guards were begun with
        self.expected = Expected()
        pipeline = plan.pipeline
        self.top = PipelineState(pipeline, "", 0.0, {param.name: param.value for param in pipeline.params})

    def run(self) -> Expected:
        while True:
            self.stage = SKIP
            while self.stage is not None:
                self.changed = False
                for at, mode in self.world.cancels:
                    if at <= self.now:
                        self.cancel(self.top, mode)
                self.look_at_pipeline(self.top)
                if self.stage == PLACE and not self.changed:
                    self.give_places_away()
                self.stage = SKIP if self.changed else AFTER[self.stage]
            if self.top.end is not None:
                break
            self.now = min(moment for moment in self.moments(self.top) if moment > self.now)
        self.report(self.top)
        self.expected.finished_at = self.now
        return self.expected

    # Time

    def moments(self, pipeline: PipelineState) -> Iterator[float]:
        yield from (at for at, _ in self.world.cancels)
        yield from (state.decided_at or 0 for state in self.evaluated)
        spec = pipeline.pipeline
        yield pipeline.deadline(pipeline.start, spec.timeout)
        yield pipeline.deadline(pipeline.start, spec.tasks_timeout)
        if pipeline.finally_start is not None:
            yield pipeline.deadline(pipeline.finally_start, spec.finally_timeout)
        for state in (*pipeline.tasks, *pipeline.finals):
            if state.child:
                yield from self.moments(state.child)
            for instance in state.instances:
                if instance.attempts:
                    yield from self.moments_of_sidecars(instance)
                if instance.attempts and instance.attempts[-1].end is None:
                    yield from self.moments_of_attempt(state.task, instance)
                elif instance.attempts:
                    yield (instance.attempts[-1].end or 0) + state.task.retry_delay

    def moments_of_sidecars(self, instance: Instance) -> Iterator[float]:
        attempt = instance.attempts[-1]
        for container in instance.slot.sidecars if instance.slot else ():
            yield attempt.start + self.patience(container)
            yield self.comes(container)
            yield self.dies(container, self.now)
            yield self.fails_to_start(container)
        for sidecar in attempt.sidecars.values():
            yield sidecar.ready
            yield sidecar.end

    def moments_of_attempt(self, task: Task, instance: Instance) -> Iterator[float]:
        attempt = instance.attempts[-1]
        yield deadline([attempt], attempt.start, task.timeout)
        container = self.container(instance)
        if attempt.hold:
            yield attempt.hold.end
        assert instance.slot is not None
        yield from (self.dies(each, self.now) for each in instance.slot.containers)
        yield from (self.fails_to_start(each) for each in instance.slot.containers)
        if attempt.step_start is None:
            yield self.comes(container)
            yield attempt.waiting_since + self.patience(container)
            yield attempt.decided_at or 0
        else:
            yield attempt.step_start + (task.steps[attempt.position].timeout or NEVER)
            yield attempt.step_start + attempt.behaviour.duration
            yield attempt.step_stop + attempt.behaviour.stop_delay

    def comes(self, container: str) -> float:
        for start, end in self.absences(container):
            if start <= self.now < end:
                return end
        ready = self.world.ready.get(container, 0.0)
        return NEVER if ready is None else ready

    def dies(self, container: str, since: float = 0.0) -> float:
        """When a container dies for good or, if it restarts, when it next dies after a moment at which it was there."""
        death = self.world.deaths.get(container, NEVER)
        if container not in self.restarting:
            return min(death, self.died.get(container, NEVER))
        return min((at for at in (death, *self.ends.get(container, ())) if at >= since), default=NEVER)

    def absences(self, container: str) -> list[tuple[float, float]]:
        """From when until when a container that restarts was away so far, or will be."""
        if container not in self.restarting:
            return []
        away = NEVER if self.world.restart_delay is None else self.world.restart_delay
        death = self.world.deaths.get(container, NEVER)
        ended = [each for each in self.served.get(container, ()) if each.retires and not each.start <= death < each.end]
        starts = [*self.ends.get(container, ()), *(each.end for each in ended)]
        if not any(start <= death < start + away for start in starts):
            starts.append(death)
        return sorted((start, start + away) for start in starts if start <= self.now)

    def patience(self, container: str) -> float:
        """How long a container is waited for."""
        deaths = len(self.absences(container))
        return self.plan.container_start_timeout + (min(300, 10 * 2 ** (deaths - 2)) if deaths > 1 else 0)

    def next_number(self, container: str) -> int:
        """The number of the next request: those of a container that was restarted are from another million."""
        restarts = sum(end <= self.now for _, end in self.absences(container))
        self.counts[container] = max(self.counts.get(container, 0), restarts * 1_000_000) + 1
        return self.counts[container]

    def fails_to_start(self, container: str) -> float:
        return self.world.start_failures.get(container, NEVER)

    def cannot_start(self, slot: Slot) -> bool:
        """Whether it is known of a container, a Step's or a Sidecar's, that it will never be there."""
        return any(self.now >= self.fails_to_start(each) for each in (*slot.containers, *slot.sidecars))

    def container(self, instance: Instance) -> str:
        assert instance.slot is not None
        return instance.slot.containers[instance.attempts[-1].position]

    # What ends early

    def cancel(self, pipeline: PipelineState, mode: str) -> None:
        if pipeline.end is not None or pipeline.timed_out or pipeline.mode == mode:
            return
        if not pipeline.mode or CANCEL_MODES.index(mode) > CANCEL_MODES.index(pipeline.mode):
            pipeline.mode = mode
            self.changed = True

    def look_at_timeouts(self, pipeline: PipelineState) -> None:
        spec, before = pipeline.pipeline, (pipeline.timed_out, pipeline.tasks_timed_out, pipeline.finally_timed_out)
        if pipeline.mode == "Cancelled":
            return
        if self.now >= pipeline.deadline(pipeline.start, spec.timeout):
            pipeline.timed_out = True
        if self.now >= pipeline.deadline(pipeline.start, spec.tasks_timeout) and pipeline.finally_start is None:
            pipeline.tasks_timed_out = True
        if pipeline.finally_start is not None and not pipeline.finally_timed_out:
            expires = pipeline.deadline(pipeline.finally_start, spec.finally_timeout)
            pipeline.finally_timed_out = self.now >= expires
        self.changed |= before != (pipeline.timed_out, pipeline.tasks_timed_out, pipeline.finally_timed_out)

    def kill_what_must_end(self, pipeline: PipelineState, all_end: bool) -> None:
        for state in pipeline.tasks:
            if all_end or pipeline.tasks_timed_out or pipeline.mode == "CancelledRunFinally":
                self.kill(state)
        for state in pipeline.finals:
            if all_end or pipeline.finally_timed_out:
                self.kill(state)

    def kill(self, state: TaskState) -> None:
        if state.child:
            self.cancel(state.child, "Cancelled")
        for instance in state.instances:
            if not instance.reason and not instance.killed:
                instance.killed = self.changed = True

    # Pipelines

    def look_at_pipeline(self, pipeline: PipelineState) -> None:
        if pipeline.end is not None:
            return
        self.look_at_timeouts(pipeline)
        all_end = pipeline.timed_out or pipeline.mode == "Cancelled"
        self.kill_what_must_end(pipeline, all_end)
        self.look_for_tasks_to_start(pipeline)
        self.look_at_finally(pipeline, all_end)
        everything = (*pipeline.tasks, *pipeline.finals)
        for state in everything:
            if state.child:
                self.look_at_pipeline(state.child)
        if self.stage == DECIDE:
            for state in everything:
                self.decide(state)
        if self.stage == START and not self.changed:  # all that can start has started
            for state in everything:
                for instance in state.instances if not state.done else ():
                    self.look_at_instance(state, instance)
        if all(state.done for state in everything):
            self.conclude(pipeline)

    def look_for_tasks_to_start(self, pipeline: PipelineState) -> None:
        candidates = []
        for state in pipeline.tasks:
            parents = [pipeline.by_name[name] for name in state.task.after]
            if state.started or state.done or self.is_left_out(state, parents):
                continue
            reason = self.why_nothing_starts(pipeline)
            if not reason and not all(parent.done for parent in parents):
                continue
            if reason or self.is_decided(state, pipeline.values()):
                self.skip(state, reason or self.why_skipped(pipeline, state, parents))
            if not state.skipped:
                candidates.append(state)
        if self.changed or self.stage == SKIP or self.is_evaluating():
            return
        for state in candidates:
            no_truth = verdict(state.task.when, pipeline.values())[0] is None
            state.invalid = no_truth or bool(self.missing(pipeline, state, False))
            self.changed |= state.invalid
        if self.stage == START and not self.changed:
            for state in candidates:
                self.start_in_turn(pipeline, state, False)  # if there is anything to start

    def is_left_out(self, state: TaskState, parents: list[TaskState]) -> bool:
        """It counts in the order, though nothing of it runs."""
        if state.task.left_out and all(parent.done for parent in parents):
            self.skip(state, state.task.left_out.reason)
        return state.task.left_out is not None

    def is_decided(self, state: TaskState, values: Values) -> bool:
        """Whether its guards are evaluated by now; begin with it if that was not done."""
        if state.decided_at is None:
            state.decided_at = self.now + verdict(state.task.when, values)[1] * self.world.cel_delay
            self.evaluated.append(state)
        return state.decided_at <= self.now

    def is_evaluating(self) -> bool:
        return any(not state.done and state.decided_at > self.now for state in self.evaluated if state.decided_at)

    def why_nothing_starts(self, pipeline: PipelineState) -> str:
        if pipeline.mode == "Cancelled" or pipeline.stopping:
            return "PipelineRun was stopping"
        if pipeline.timed_out:
            return "PipelineRun timeout has been reached"
        if pipeline.tasks_timed_out:
            return "PipelineRun Tasks timeout has been reached"
        return {
            "CancelledRunFinally": "PipelineRun was gracefully cancelled",
            "StoppedRunFinally": "PipelineRun was gracefully stopped",
        }.get(pipeline.mode, "")

    def why_skipped(self, pipeline: PipelineState, state: TaskState, parents: list[TaskState]) -> str:
        guarded = "When Expressions evaluated to false"
        missing = self.missing(pipeline, state, False)
        holds = verdict(state.task.when, pipeline.values())[0]
        if holds is None:
            return ""
        if not holds:
            return guarded
        without_consequence = {"", guarded, "Task was left out", "Task was reused", "Task runs in another Pod"}
        if any(parent.skipped not in without_consequence for parent in parents):
            return "Parent Tasks were skipped"
        if missing and (state.task.on_error == "continue" or pipeline.by_name[missing].skipped == guarded):
            return "Results were missing"
        return ""

    def look_at_finally(self, pipeline: PipelineState, all_end: bool) -> None:
        reason = "PipelineRun timeout has been reached" if pipeline.timed_out else "PipelineRun was stopping"
        if not all_end:
            reason = "PipelineRun Finally timeout has been reached" if pipeline.finally_timed_out else ""
        for state in pipeline.finals:
            if not state.started and not state.done:
                self.skip(state, state.task.left_out.reason if state.task.left_out else reason)
        if self.changed or not all(state.done for state in pipeline.tasks):
            return
        if pipeline.finally_start is None:
            pipeline.finally_start = self.now
        self.look_for_finals_to_start(pipeline)

    def look_for_finals_to_start(self, pipeline: PipelineState) -> None:
        candidates = [state for state in pipeline.finals if not (state.started or state.done)]
        for state in candidates:
            if self.missing(pipeline, state, True):
                self.skip(state, "Results were missing")
            elif self.is_decided(state, pipeline.values(final=True)):
                holds = verdict(state.task.when, pipeline.values(final=True))[0]
                self.skip(state, "When Expressions evaluated to false" if holds is False else "")
        if self.changed or self.stage == SKIP or self.is_evaluating():
            return
        candidates = [state for state in candidates if not state.skipped]
        for state in candidates:
            state.invalid = verdict(state.task.when, pipeline.values(final=True))[0] is None
            self.changed |= state.invalid
        if self.stage == START and not self.changed:
            for state in candidates:
                self.start_in_turn(pipeline, state, True)

    def skip(self, state: TaskState, reason: str) -> None:
        if reason and not state.skipped:
            state.skipped = reason
            self.changed = True

    def missing(self, pipeline: PipelineState, state: TaskState, final: bool) -> str:
        """The Task whose Result is needed and not there."""
        task, values = state.task, pipeline.values(final)
        matrix = task.matrix or Matrix()
        included = [param for each in matrix.include for param in each.params]
        texts = [json.dumps(param.value) for param in (*task.params, *matrix.params, *included)]
        texts += [json.dumps([each.input, each.cel, *each.values]) for each in task.when]
        for source, name in re.findall(r"\$\(tasks\.([\w-]+)\.results\.([\w-]+(?:\[[^]]*\])?)\)", " ".join(texts)):
            if f"tasks.{source}.results.{name}" not in values:
                return str(source)
        return ""

    def combinations(self, task: Task, values: Values) -> list[dict[str, str]]:
        """Tekton's docs/matrix.md: include adds to what it does not contradict, else it is one more combination."""
        assert task.matrix is not None
        lists = {param.name: fill_value(param.value, values) for param in task.matrix.params}
        combinations: list[dict[str, str]] = [{}] if lists else []
        for name, texts in lists.items():
            combinations = [{**each, name: text} for text in texts for each in combinations]
        if lists and not combinations:
            return []
        plain = len(combinations)
        for entry in task.matrix.include:
            params = {param.name: fill(str(param.value), values) for param in entry.params}
            if any(text in lists[name] for name, text in params.items() if name in lists) or not params.keys() & lists:
                fits = [
                    each
                    for each in combinations[:plain]
                    if all(each[name] == text for name, text in params.items() if name in lists)
                ]
                for each in fits:
                    each.update(params)
                if lists:
                    continue
            combinations.append(params)
        return combinations

    def start_in_turn(self, pipeline: PipelineState, state: TaskState, final: bool) -> None:
        """Start a Task, or let it wait for a place."""
        if self.plan.max_parallel is None or state.task.pipeline is not None:
            self.start(pipeline, state, final)
        elif state.turn is None:
            state.turn = len(self.waiting)
            self.waiting.append((pipeline, state, final))
            self.changed = True

    def give_places_away(self) -> None:
        """The Tasks that were ready first come first; all that a Task can run goes before the next Task."""
        everyone = [(state, each) for _, state, _ in self.waiting for each in state.instances]
        while sum(bool(each.attempts and not each.reason) for _, each in everyone) < (self.plan.max_parallel or NEVER):
            can_run = [each for _, each in everyone if each.slot and not each.attempts and not each.reason]
            ready = [each for each in self.waiting if not each[1].started and not each[1].done]
            if can_run:
                self.add_attempt(can_run[0])
            elif ready and not self.is_evaluating():
                pipeline, state, final = ready[0]
                self.start(pipeline, state, final)
                for instance in state.instances:
                    self.take_slot(state, instance)
                everyone = [(state, each) for _, state, _ in self.waiting for each in state.instances]
            else:
                return
            self.changed = True

    def start(self, pipeline: PipelineState, state: TaskState, final: bool) -> None:
        values = pipeline.values(final)
        params = {param.name: fill_value(param.value, values) for param in state.task.params}
        if state.task.pipeline is not None:
            defaults = {param.name: param.value for param in state.task.pipeline.params}
            state.child = PipelineState(state.task.pipeline, state.path, self.now, {**defaults, **params})
            state.child.parent = pipeline
        else:
            combinations = self.combinations(state.task, values) if state.task.matrix else [{}]
            name = "-".join(["run", *state.path.split("/")])
            state.instances = [
                Instance({**params, **each}, f"{name}-{index}" if state.task.matrix else name, pipeline)
                for index, each in enumerate(combinations)
            ]
            self.skip(state, "" if state.instances else "Matrix Parameters have an empty array")
        self.changed = True

    def conclude(self, pipeline: PipelineState) -> None:
        pipeline.end, self.changed = self.now, True
        everything = (*pipeline.tasks, *pipeline.finals)
        count = {"Succeeded": 0, "Failed": 0, "Ignored": 0, "Cancelled": 0}
        for state in everything:
            if state.ran:
                count[self.outcome(pipeline, state)] += 1
        skipped, invalid = sum(bool(s.skipped) for s in everything), sum(s.invalid for s in everything)
        ignored = f" (Ignored: {count['Ignored']})" if count["Ignored"] else ""
        pipeline.message = (
            f"Tasks Completed: {sum(count.values())} (Failed: {count['Failed'] + count['Ignored']}{ignored}, "
            f"Cancelled {count['Cancelled']}), Skipped: {skipped}"
            + (f", Failed Validation: {invalid}" if invalid else "")
        )
        pipeline.reason = self.reason_of_pipeline(pipeline, count, skipped, invalid)
        name = "-".join(["run", *filter(None, pipeline.path.split("/"))])
        if pipeline.reason == "Cancelled":
            pipeline.message = f'PipelineRun "{name}" was cancelled'
        elif pipeline.reason == "PipelineRunTimeout":
            what = "" if pipeline.timed_out else "due to tasks failed "
            pipeline.message = f'PipelineRun "{name}" failed {what}to finish within'
        self.results_of_pipeline(pipeline)

    def outcome(self, pipeline: PipelineState, state: TaskState) -> str:
        cancelled = {"TaskRunCancelled", "Cancelled"} & set(state.reasons())
        cut_off = pipeline.timed_out or (
            pipeline.finally_timed_out if state in pipeline.finals else pipeline.tasks_timed_out
        )
        if cancelled:
            return "Failed" if cut_off else "Cancelled"
        if not state.failed:
            return "Succeeded"
        return "Ignored" if state.task.on_error == "continue" else "Failed"

    def reason_of_pipeline(self, pipeline: PipelineState, count: dict[str, int], skipped: int, invalid: int) -> str:
        if pipeline.timed_out or (pipeline.tasks_timed_out and pipeline.mode != "Cancelled"):
            return "PipelineRunTimeout"
        if pipeline.mode == "Cancelled":
            return "Cancelled"
        if invalid:
            return "PipelineValidationFailed"
        late = any("timeout has been reached" in state.skipped for state in pipeline.finals)
        if count["Failed"] or late:
            return "Failed"
        if pipeline.mode or count["Cancelled"]:
            return "Cancelled"
        return "Completed" if skipped else "Succeeded"

    def results_of_pipeline(self, pipeline: PipelineState) -> None:
        values, invalid = pipeline.values(), []
        for result in pipeline.pipeline.results:
            assert isinstance(result.value, str)
            match = re.search(r"\$\((?:tasks|finally)\.([\w-]+)\.", result.value)
            source = pipeline.by_name[match[1]] if match else None
            partial = source is not None and source.task.matrix is not None and source.failed
            if not match or (
                result.value[result.value.index("$(") + 2 : result.value.index(")")] in values and not partial
            ):
                pipeline.results[result.name] = fill_value(result.value, values)
            elif pipeline.reason in ("Succeeded", "Completed"):
                assert source is not None
                if source.ran and not source.failed:
                    invalid.append(result.name)
        if invalid:
            pipeline.reason, pipeline.message = (
                "CouldntGetPipelineResult",
                f"invalid pipelineresults [{' '.join(invalid)}]",
            )

    # TaskRuns

    def decide(self, state: TaskState) -> None:
        """Stop the rest of a matrix if one of its combinations is enough to know how it ends."""
        if state.deciding_reason():
            self.kill(state)

    def look_at_instance(self, state: TaskState, instance: Instance) -> None:
        if instance.reason:
            return
        if instance.slot is None:
            self.take_slot(state, instance)
        elif not instance.attempts:
            if instance.killed:  # while it waited for a place
                instance.reason, self.changed = "TaskRunCancelled", True
        elif instance.attempts[-1].end is None:
            self.look_at_attempt(state.task, instance, instance.attempts[-1])
        else:
            attempt = instance.attempts[-1]
            if attempt.again and not instance.killed:
                if self.sidecars_run(instance) or self.now < (attempt.end or 0) + state.task.retry_delay:
                    return
                instance.results = {}
                self.add_attempt(instance)
            else:
                instance.reason = attempt.reason
                if attempt.again:  # killed between two attempts
                    instance.reason = "TaskRunCancelled"
            self.changed = True

    def sidecars_run(self, instance: Instance) -> bool:
        """Whether Sidecars of the last attempt have not ended yet."""
        sidecars = instance.attempts[-1].sidecars if instance.attempts else {}
        return any(self.now < min(each.end, self.dies(container, each.start)) for container, each in sidecars.items())

    def take_slot(self, state: TaskState, instance: Instance) -> None:
        task, index = state.task, state.instances.index(instance)
        busy = [each.slot for each in state.instances if each.slot and (not each.reason or self.sidecars_run(each))]
        free = [slot for slot in task.slots if slot not in busy]
        free.sort(key=lambda slot: -max((self.left(each) for each in state.instances if each.slot == slot), default=0))
        whole = [slot for slot in free if not self.is_unfit(slot)]
        if instance.killed:
            instance.reason = "TaskRunCancelled"
            self.changed = True
        elif state.deciding_reason():
            return
        elif task.matrix and task.matrix.pinned:
            self.give(instance, task.slots[index])
        elif whole or not busy:  # where no slot is whole any more, the rest fails at once in one that is not
            self.give(instance, (whole or free)[0])

    def left(self, instance: Instance) -> float:
        """When an instance that has ended, and its Sidecars, left its slot."""
        if not instance.attempts:
            return 0
        ends = [min(each.end, self.dies(name, each.start)) for name, each in instance.attempts[-1].sidecars.items()]
        return max([instance.attempts[-1].end or 0, *ends])

    def give(self, instance: Instance, slot: Slot) -> None:
        instance.slot = slot
        if self.plan.max_parallel is None:
            self.add_attempt(instance)
        self.changed = True

    def add_attempt(self, instance: Instance) -> None:
        """Make a further attempt, which fails at once where an earlier one has left no container for a Sidecar."""
        slot = instance.slot
        assert slot is not None
        used_up = any(self.broken((each,)) and self.counts.get(each) for each in slot.sidecars)
        cause = "SidecarFailed" if used_up and not self.cannot_start(slot) else ""
        instance.attempts.append(Attempt(self.now, self.now, cause))
        around: PipelineState | None = instance.pipeline
        while around is not None:
            around.attempts.append(instance.attempts[-1])
            around = around.parent

    def broken(self, containers: tuple[str, ...]) -> bool:
        return any(
            container in self.lost
            or (
                container not in self.restarting
                and self.now >= min(self.dies(container), self.retired.get(container, NEVER))
            )
            for container in containers
        )

    def is_unfit(self, slot: Slot) -> bool:
        """Whether no further attempt can be made in a slot: each needs all containers, the Sidecars' too."""
        return self.broken((*slot.containers, *slot.sidecars)) or self.cannot_start(slot)

    def look_at_attempt(self, task: Task, instance: Instance, attempt: Attempt) -> None:
        expires = deadline([attempt], attempt.start, task.timeout)
        if not attempt.cause and (instance.killed or self.now >= expires):
            attempt.cause = "TaskRunCancelled" if instance.killed else "TaskRunTimeout"
        assert instance.slot is not None
        if not attempt.cause and self.cannot_start(instance.slot):
            attempt.cause = "TaskRunImagePullFailed"  # at once, whatever runs: Tekton's checkPodFailed
        if attempt.hold:
            self.look_at_hold(task, instance, attempt, attempt.hold)
        elif attempt.step_start is not None:
            self.look_at_step(task, instance, attempt, task.steps[attempt.position])
        elif attempt.cause or (attempt.failed and not self.closes(task, instance, attempt)):
            self.end_attempt(task, instance, attempt)
        elif not attempt.sidecars_ready:
            self.look_at_sidecars(task, instance, attempt)
        elif attempt.position == len(task.steps):
            self.end_attempt(task, instance, attempt)
        else:
            self.look_for_container(task, instance, attempt)

    def hold(self, attempt: Attempt, container: str, *, has_failed: bool) -> None:
        """Hold an attempt at a breakpoint, until somebody releases it."""
        self.holds[container] = self.holds.get(container, 0) + 1
        delay, verdict = self.world.release(container, self.holds[container])
        attempt.hold = Hold(self.now, self.now + delay, verdict, has_failed)
        self.changed = True

    def look_at_hold(self, task: Task, instance: Instance, attempt: Attempt, hold: Hold) -> None:
        """End a hold: somebody releases it, or the attempt is cut off, or its containers are gone for good."""
        assert instance.slot is not None
        container = self.container(instance)
        rest = instance.slot.containers[attempt.position :]
        is_alone = hold.has_failed or attempt.failed
        is_lost = self.broken((container,) if is_alone else rest)
        if not (attempt.cause or is_lost or self.now >= hold.end):
            return
        verdict = hold.verdict if self.now >= hold.end else ""
        hold.end, attempt.hold, self.changed = self.now, None, True
        attempt.holds.append(hold)
        step = task.steps[attempt.position]
        if hold.has_failed:
            is_continued = verdict == "continue" and not attempt.cause
            of_memory = attempt.behaviour.out_of_memory and not attempt.cause
            code = attempt.behaviour.code
            tolerated = step.on_error == "continue"
            self.end_step(
                attempt, step, code, tolerated=tolerated, killed_for_memory=of_memory, is_continued=is_continued
            )
        elif attempt.cause or is_lost:
            attempt.waiting_since = self.now
        elif verdict == "continue":
            attempt.released = attempt.position
            attempt.waiting_since = self.now
        else:
            attempt.steps.append((step.name, "Error", 1))
            attempt.failed = True
            attempt.position += 1
            attempt.waiting_since = self.now

    def closes(self, task: Task, instance: Instance, attempt: Attempt) -> bool:
        """Whether a Step of an attempt that has failed runs all the same. The Steps before it are skipped."""
        if attempt.decided_at is not None and self.now < attempt.decided_at:
            return True  # its guards are evaluated
        assert instance.slot is not None
        before = position = attempt.position
        while position < len(task.steps) and (
            not task.steps[position].always or self.broken((instance.slot.containers[position],))
        ):
            position += 1
        if position == len(task.steps):
            return False
        if position > before:
            attempt.steps += [(step.name, "Skipped", 1) for step in task.steps[before:position]]
            attempt.position, attempt.waiting_since, attempt.decided_at = position, self.now, None
        attempt.closing = True
        return True

    def look_at_sidecars(self, task: Task, instance: Instance, attempt: Attempt) -> None:
        """Start each Sidecar whose container is there; the Steps begin when all are ready, or cannot be any more."""
        assert instance.slot is not None
        awaited = False
        for sidecar, container in zip(task.sidecars, instance.slot.sidecars, strict=True):
            if container in attempt.sidecars:
                running = attempt.sidecars[container]
                awaited |= self.now < min(running.ready, running.end, self.dies(container, running.start))
            elif self.broken((container,)):
                continue
            elif self.now >= self.comes(container):
                number = self.next_number(container)
                behaviour = self.world.behave(container, number)
                end = self.now + behaviour.duration
                if behaviour.retires:
                    self.retired[container] = end
                tries, ready = [], self.now + 1
                if sidecar.readiness is not None:
                    *tries, ready = tries_of(sidecar.readiness, self.now, self.world.failing_probes)
                    tries = tries if sidecar.readiness.command else []
                running = RunningSidecar(number, self.now, ready, end, tries, behaviour.retires)
                attempt.sidecars[container] = running
                self.served.setdefault(container, []).append(running)
                values = self.values_of_attempt(task, instance)
                self.expected.requests.append((self.now, container, number, fill_all(sidecar.step.command, values)))
                awaited = True
            elif self.now >= attempt.start + self.patience(container):
                attempt.cause, self.changed = "PodCreationFailed", True
                self.lost.add(container)
                return
            else:
                awaited = True
        if not awaited:
            attempt.sidecars_ready, attempt.waiting_since, self.changed = True, self.now, True

    def look_for_container(self, task: Task, instance: Instance, attempt: Attempt) -> None:
        container = self.container(instance)
        assert instance.slot is not None
        if attempt.decided_at is not None and self.now < attempt.decided_at:
            return  # its guards are evaluated
        attempt.waiting_since = max(attempt.waiting_since, attempt.decided_at or 0)
        if not attempt.failed and self.broken(instance.slot.containers[attempt.position :]):
            attempt.failed = self.changed = True
            attempt.decided_at = None
        elif self.now >= self.comes(container):
            self.request(task, instance, attempt, container)
        elif self.now >= attempt.waiting_since + self.patience(container):
            attempt.cause, self.changed = "PodCreationFailed", True
            self.lost.add(container)

    def request(self, task: Task, instance: Instance, attempt: Attempt, container: str) -> None:
        values = self.values_of_attempt(task, instance)
        self.changed, step = True, task.steps[attempt.position]
        holds, evaluated = verdict(step.when, values) if attempt.released != attempt.position else (True, 0)
        if attempt.decided_at is None:
            attempt.decided_at = self.now + evaluated * self.world.cel_delay
        if self.now < attempt.decided_at:
            return
        attempt.decided_at = None
        if not holds:
            attempt.steps.append((step.name, "Skipped", 0) if holds is False else (step.name, "Error", 1))
            attempt.failed |= holds is None
            attempt.position += 1
            attempt.waiting_since = self.now
            return
        if step.hold_before and attempt.released != attempt.position:
            self.hold(attempt, container, has_failed=False)
            return
        of_action = [named(f"step.params.{param.name}", fill_value(param.value, values)) for param in step.params]
        values = values | {name: value for each in of_action for name, value in each.items()}
        number = self.next_number(container)
        attempt.behaviour = self.world.behave(container, number)
        attempt.step_start, attempt.step_stop, attempt.step_timed_out = self.now, NEVER, False
        self.expected.requests.append((self.now, container, number, fill_all(step.command, values)))

    @staticmethod
    def values_of_attempt(task: Task, instance: Instance) -> Values:
        values: Values = {"context.task.retry-count": str(len(instance.attempts) - 1)}
        values["context.pipelineTask.retries"] = str(task.retries)
        values["context.task.name"] = values["context.taskRun.name"] = instance.name
        for name, value in instance.params.items():
            values |= named(f"params.{name}", value)
        return values | instance.attempts[-1].step_results

    def look_at_step(self, task: Task, instance: Instance, attempt: Attempt, step: Step) -> None:
        assert attempt.step_start is not None
        if attempt.step_stop == NEVER:
            attempt.step_timed_out = bool(step.timeout) and self.now >= attempt.step_start + (step.timeout or 0)
            if attempt.cause or attempt.step_timed_out:
                attempt.step_stop, self.changed = self.now, True
        container = self.container(instance)
        dead, natural = self.dies(container, attempt.step_start), attempt.step_start + attempt.behaviour.duration
        if self.now < min(dead, natural, attempt.step_stop + attempt.behaviour.stop_delay):
            return
        if attempt.behaviour.end_is_lost and self.now < dead:
            dead = self.died[container] = self.now
        self.note_end(attempt, container, dead)
        code = 137 if self.now >= dead else attempt.behaviour.code if self.now >= natural else 143
        if self.now >= natural and self.now < dead:
            attempt.files |= attempt.behaviour.files
        for result in step.results:
            text = attempt.files.get(f"/tekton/steps/step-{step.name}/results/{result.name}")
            if text is not None:
                attempt.step_results[f"steps.{step.name}.results.{result.name}"] = text
        if attempt.step_timed_out and not attempt.cause:
            code = code or 1
        is_there = natural <= self.now < dead and not attempt.behaviour.retires
        by_itself = not (attempt.cause or attempt.step_timed_out)
        tolerated = step.on_error == "continue" and self.now < dead
        killed_for_memory = by_itself and attempt.behaviour.out_of_memory and natural <= self.now < dead
        fails = (code and not tolerated) or killed_for_memory
        if step.hold_on_failure and by_itself and is_there and fails and not attempt.failed:
            self.hold(attempt, container, has_failed=True)
            return
        self.end_step(attempt, step, code, tolerated=tolerated, killed_for_memory=killed_for_memory)

    def end_step(
        self,
        attempt: Attempt,
        step: Step,
        code: int,
        *,
        tolerated: bool = False,
        killed_for_memory: bool = False,
        is_continued: bool = False,
    ) -> None:
        if is_continued:  # Tekton's debug-continue: the Step has succeeded
            code, killed_for_memory = 0, False
        reason = self.why_cut_off(attempt) or self.reason_of_step(code, tolerated, killed_for_memory)
        if not attempt.failed:  # else the first failure counts
            attempt.killed_for_memory = killed_for_memory
            attempt.failed = killed_for_memory or reason not in ("Completed", "Continued")
        attempt.steps.append((step.name, reason, code))
        attempt.position += 1
        attempt.step_start, attempt.waiting_since, self.changed = None, self.now, True

    @staticmethod
    def why_cut_off(attempt: Attempt) -> str:
        """The reason of a Step that was told to end."""
        if attempt.cause:
            of_step = "TimeoutExceeded" if attempt.cause == "TaskRunTimeout" else "Cancelled"
            return attempt.cause if attempt.cause in FROM_OUTSIDE and not attempt.closing else of_step
        return "TimeoutExceeded" if attempt.step_timed_out else ""

    def note_end(self, attempt: Attempt, container: str, dead: float) -> None:
        """Note that a container ends with a Step, or may not be used again."""
        if attempt.behaviour.retires:
            self.retired[container] = self.now
        if (attempt.behaviour.end_is_lost and self.now == dead) or (attempt.behaviour.retires and self.now < dead):
            self.ends.setdefault(container, []).append(self.now)

    @staticmethod
    def reason_of_step(code: int, tolerated: bool, killed_for_memory: bool) -> str:
        if code and tolerated:
            return "Continued"
        return "OOMKilled" if killed_for_memory else "Error" if code else "Completed"

    def end_attempt(self, task: Task, instance: Instance, attempt: Attempt) -> None:
        attempt.end, self.changed = self.now, True
        cut_off = attempt.cause in FROM_OUTSIDE and not attempt.closing
        attempt.steps += [
            (step.name, attempt.cause if cut_off else "Skipped", 1) for step in task.steps[attempt.position :]
        ]
        attempt.reason = "" if attempt.closing else attempt.cause
        attempt.reason = attempt.reason or self.reason_of_pod(instance, attempt)
        for container, sidecar in attempt.sidecars.items():
            dead = self.dies(container, sidecar.start)
            is_running = self.now < min(sidecar.end, dead)
            probed_until = min(self.now, sidecar.end, dead)
            self.counts[container] += sum(at < probed_until for at in sidecar.tries)  # which are requests too
            if is_running:
                delay = self.world.behave(container, sidecar.number).stop_delay
                sidecar.end = min(sidecar.end, self.now + delay)
                if container in self.retired:
                    self.retired[container] = sidecar.end
        for result in () if attempt.cause else task.results:
            text = attempt.files.get(f"/tekton/results/{result.name}")
            if result.value is not None:
                assert isinstance(result.value, str)
                taken = fill(result.value, attempt.step_results)
                text = None if "$(" in taken else taken
            if text is not None and result.type == "array":
                try:
                    instance.results[result.name] = tuple(json.loads(text))
                except ValueError:
                    attempt.reason = "TaskRunValidationFailed" if attempt.reason == "Succeeded" else attempt.reason
            elif text is not None:
                instance.results[result.name] = text
        assert instance.slot is not None
        again = len(instance.attempts) <= task.retries and not instance.killed
        again = again and not self.is_unfit(instance.slot)
        attempt.again = again and attempt.reason not in ("Succeeded", "TaskRunCancelled")
        if task.on_error == "continue" and attempt.reason in ("StepFailed", "StepOOM", "SidecarFailed", "SidecarOOM"):
            attempt.reason = "FailureIgnored"  # only how the containers ended is ignored

    def reason_of_pod(self, instance: Instance, attempt: Attempt) -> str:
        """Tekton's docs/taskruns.md, the table of reasons: the reason if the Task had its own Pod.

        The Pod has failed if a Step has, or once all its containers have ended and a Sidecar failed by itself.
        """
        assert instance.slot is not None
        ended: list[tuple[int, bool]] = []  # of the Sidecars that have ended by themselves: exit code, out of memory
        for container in instance.slot.sidecars:
            sidecar = attempt.sidecars.get(container)
            dead = self.dies(container, sidecar.start if sidecar is not None else self.now)
            is_killed = dead <= self.now and (sidecar is not None or container not in self.restarting)
            if sidecar is not None and sidecar.end <= self.now and sidecar.end < dead:
                behaviour = self.world.behave(container, sidecar.number)
                ended.append((behaviour.code, behaviour.out_of_memory))
            elif is_killed or container in self.lost:
                ended.append((137, False))
        all_ended = len(ended) == len(instance.slot.sidecars)
        if not attempt.failed and not (all_ended and any(code for code, _ in ended)):
            return "Succeeded"
        if any(short_of_memory for _, short_of_memory in ended):
            return "SidecarOOM"
        if attempt.killed_for_memory:
            return "StepOOM"
        return "SidecarFailed" if any(code for code, _ in ended) else "StepFailed"

    # The report

    def report(self, pipeline: PipelineState) -> None:
        expected = self.expected
        expected.conditions[pipeline.path] = (pipeline.reason, pipeline.message)
        expected.results[pipeline.path] = pipeline.results
        for state in (*pipeline.tasks, *pipeline.finals):
            if state.skipped:
                expected.skipped[state.path] = state.skipped
            if state.child:
                self.report(state.child)
            for number, instance in enumerate(state.instances):
                key = (state.path, number if state.task.matrix else None)
                expected.reasons[key] = instance.reason
                if instance.attempts:
                    expected.attempts[key] = [(each.start, each.end or 0, each.reason) for each in instance.attempts]
                for attempt, each in enumerate(instance.attempts):
                    expected.steps[(*key, attempt)] = each.steps


def expected(plan: Plan, world: World) -> Expected:
    """Return the expected outcome of `plan` in `world`."""
    return Oracle(plan, world).run()
