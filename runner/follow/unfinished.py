"""The PipelineRun (or TaskRun) of a run whose end the coordinator has not told, or not as it was, in Tekton's shape.

Rules: what has ended is as in the finished document (``engine.status``); what has not has no ``completionTime``,
and the condition Unknown with the reason Running or Pending (Tekton docs/pipelineruns.md, "Monitoring execution
status"). It is made of what the coordinator tells, so Results are not in it: only the finished document has them.
When the Pod is gone, what had not ended has ended with it (Tekton pkg/reconciler/taskrun, "terminateStepsInPod").

Pure.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monopod.runner.backend import EVICTED
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import Follower, TaskState
from monopod.schemas import plan as planned
from monopod.schemas.run_events import (
    CancelMode,
    RunCancelling,
    RunEvent,
    RunFinished,
    RunStarted,
    SidecarFinished,
    StepFinished,
    StepStarted,
    TaskStarted,
)
from monopod.schemas.run_status import ended_as

_UNKNOWN, _TRUE, _FALSE = "Unknown", "True", "False"
_CONDITIONS = {"Succeeded": _TRUE, "Unknown": _UNKNOWN}
_REASONS: dict[CancelMode, str] = {
    "Cancelled": "Cancelled",
    "CancelledRunFinally": "CancelledRunningFinally",
    "StoppedRunFinally": "StoppedRunningFinally",
}
"""Tekton's reasons of a PipelineRun that is being cancelled."""


@dataclass(slots=True)
class _Attempt:
    """The last attempt of a Task instance: its Steps in the order of their starts, and the Sidecars that ended."""

    started: float
    steps: dict[str, StepStarted | StepFinished] = field(default_factory=dict)
    sidecars: list[SidecarFinished] = field(default_factory=list)


def ended_document(
    plan: planned.Plan,
    events: Sequence[RunEvent],
    outcome: Outcome,
    at: float,
    *,
    pod: Mapping[str, Any] | None = None,
    began: float | None = None,
) -> dict[str, Any]:
    """Return the document of a run that ended like this, whatever the coordinator has reported in `events`.

    `pod` is the metadata of the Pod, `began` when it was made: for a run that did not tell that it started.
    """
    finished = next((event for event in events if isinstance(event, RunFinished)), None)
    if finished is not None and (finished.status, finished.reason) == (outcome.status, outcome.reason):
        return finished.document
    document = unfinished_document(plan, events, pod or {}) if finished is None else finished.document
    started = {"startTime": (pod or {}).get("creationTimestamp") or _time(at if began is None else began)}
    return {**document, "status": _ended({**started, **document["status"]}, outcome, at)}


def _ended(status: Mapping[str, Any], outcome: Outcome, at: float) -> dict[str, Any]:
    """Return the status of a run or Task that has ended with its Pod, or of whose end nothing is known."""
    if "taskRuns" not in status and outcome.reason == EVICTED:
        outcome = Outcome(outcome.status, "PodEvicted", outcome.message)  # what Tekton calls it in a TaskRun
    condition = _condition(_CONDITIONS.get(outcome.status, _FALSE), outcome.reason, outcome.message, at)
    ended = {**status, "conditions": [condition], "completionTime": _time(at)}
    if condition["status"] != _FALSE:  # which says nothing about its Tasks
        return {**ended, **{kind: _untold(status[kind], at) for kind in ("taskRuns", "pipelineRuns") if kind in status}}
    for kind in ("taskRuns", "pipelineRuns"):
        if kind in status:
            ended[kind] = {
                name: {**run, "status": _ended(run["status"], outcome, at)} if _goes_on(run["status"]) else run
                for name, run in status[kind].items()
            }
    if "steps" in status:
        ended["steps"] = [_step_ended(step, status["podName"], outcome, at) for step in status["steps"]]
    return ended


def _untold(runs: Mapping[str, Any], at: float) -> dict[str, Any]:
    """Return the runs of Tasks or Pipelines; how those ended whose end was not told is unknown."""
    untold = Outcome("Unknown", "OutcomeUnknown", "its end was not reported")
    return {
        name: {**run, "status": _ended(run["status"], untold, at)} if _goes_on(run["status"]) else run
        for name, run in runs.items()
    }


def _goes_on(status: Mapping[str, Any]) -> bool:
    return any(condition["status"] == _UNKNOWN for condition in status["conditions"])


def _step_ended(step: Mapping[str, Any], pod: str, outcome: Outcome, at: float) -> dict[str, Any]:
    if "running" not in step:
        return dict(step)
    message = f"Step {step['name']} terminated as pod {pod} is terminated"
    terminated = {"exitCode": 1, "reason": outcome.reason, "message": message, "finishedAt": _time(at)}
    rest = {key: value for key, value in step.items() if key != "running"}
    return {**rest, "terminated": {**step["running"], **terminated}, "terminationReason": outcome.reason}


def unfinished_document(plan: planned.Plan, events: Iterable[RunEvent], pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a run of a Plan with these `events` so far; `pod` is the metadata of its Pod."""
    follower = Follower(plan)
    attempts: dict[tuple[str, int | None], _Attempt] = {}
    begun: RunStarted | None = None
    cancelled: CancelMode | None = None
    for event in events:
        follower.event(event)
        if isinstance(event, RunStarted):
            begun = event
        elif isinstance(event, RunCancelling):
            cancelled = event.mode
        elif isinstance(event, TaskStarted):
            attempts[event.task, event.index] = _Attempt(event.at)
        elif isinstance(event, StepStarted | StepFinished):
            attempts.setdefault((event.task, event.index), _Attempt(event.at)).steps[event.step] = event
        elif isinstance(event, SidecarFinished):
            attempts.setdefault((event.task, event.index), _Attempt(event.at)).sidecars.append(event)
    known = {key: pod[key] for key in ("name", "namespace", "uid") if pod.get(key)}
    if begun is not None:
        known = {"name": begun.name, "namespace": begun.namespace, "uid": begun.uid}
    metadata = dict(plan.document.get("metadata") or {})
    if known:
        metadata = {**{key: value for key, value in metadata.items() if key != "generateName"}, **known}
    made = _Maker(plan, follower, attempts, str(known.get("name", "")), None if begun is None else begun.at)
    made.reason = "Running" if cancelled is None else _REASONS[cancelled]
    return {**plan.document, "metadata": metadata, "status": made.status()}


class _Maker:
    """Makes the status out of what is known."""

    def __init__(
        self,
        plan: planned.Plan,
        follower: Follower,
        attempts: dict[tuple[str, int | None], _Attempt],
        pod: str,
        started: float | None,
    ) -> None:
        self._plan = plan
        self._attempts = attempts
        self._pod = pod
        self._started = started
        self.reason = "Running"
        self._tasks: dict[str, list[TaskState]] = {}
        for task in follower.tasks:
            self._tasks.setdefault(task.path, []).append(task)

    def status(self) -> dict[str, Any]:
        if self._plan.document.get("kind") == "TaskRun":
            return self._only_task_run(next(task for tasks in self._tasks.values() for task in tasks))
        return self._pipeline(self._plan.pipeline, "", self._pod)

    def _only_task_run(self, state: TaskState) -> dict[str, Any]:
        """Return the status of the TaskRun that is the whole run, also before any event of it."""
        if (state.path, state.index) in self._attempts:
            return self._task_run(state)
        status: dict[str, Any] = {"conditions": [self._condition("")], "podName": self._pod}
        return status if self._started is None else {**status, "startTime": _time(self._started)}

    def _pipeline(self, pipeline: planned.Pipeline, prefix: str, name: str) -> dict[str, Any]:
        own = [*pipeline.tasks, *pipeline.final_tasks]
        status: dict[str, Any] = {"conditions": [self._condition(prefix)]}
        if self._started is not None:
            status["startTime"] = _time(self._started)
        references: list[dict[str, Any]] = []
        runs: dict[str, Any] = {}
        children: dict[str, Any] = {}
        for task in own:
            path = prefix + task.name
            if task.pipeline is not None and path not in self._tasks:
                if any(each.status not in ("Waiting", "Skipped") for each in self._inside(path)):
                    child = f"{name}-{task.name}"
                    references.append(_reference("PipelineRun", child, task.name))
                    inside = self._pipeline(task.pipeline, f"{path}/", child)
                    children[child] = {"pipelineTaskName": task.name, "status": inside}
                continue
            for state in self._tasks.get(path, ()):
                if state.started is not None:
                    run = f"{name}-{task.name}" + ("" if state.index is None else f"-{state.index}")
                    references.append(_reference("TaskRun", run, task.name))
                    runs[run] = {"pipelineTaskName": task.name, "status": self._task_run(state)}
        status.update(childReferences=references, taskRuns=runs)
        if children:
            status["pipelineRuns"] = children
        skipped = [
            {"name": task.name, "reason": state.reason}
            for task in own
            for state in self._tasks.get(prefix + task.name, ())
            if state.status == "Skipped"
        ]
        if skipped:
            status["skippedTasks"] = skipped
        return status

    def _inside(self, path: str) -> list[TaskState]:
        return [each for other, tasks in self._tasks.items() if other.startswith(f"{path}/") for each in tasks]

    def _condition(self, prefix: str) -> dict[str, Any]:
        states = [state for path, tasks in self._tasks.items() if path.startswith(prefix) for state in tasks]
        over = [state for state in states if state.is_over and state.status != "Skipped"]
        failed = sum(state.status in ("Failed", "TimedOut") for state in over)
        cancelled = sum(state.status == "Cancelled" for state in over)
        skipped = sum(state.status == "Skipped" for state in states)
        message = (
            f"Tasks Completed: {len(over)} (Failed: {failed}, Cancelled {cancelled}), "
            f"Incomplete: {len(states) - len(over) - skipped}, Skipped: {skipped}"
        )
        if self._started is None:
            return _condition(_UNKNOWN, "Pending", "the Pod has not started", time.time())
        latest = max((state.ended or state.started or 0 for state in states), default=0)
        return _condition(_UNKNOWN, self.reason, message, latest or self._started)

    def _task_run(self, state: TaskState) -> dict[str, Any]:
        attempt = self._attempts[state.path, state.index]
        status: dict[str, Any] = {
            "conditions": [_task_condition(state, attempt)],
            "podName": self._pod,
            "startTime": _time(attempt.started),
        }
        if state.ended is not None:
            status["completionTime"] = _time(state.ended)
        reason = state.reason if state.is_over else ""
        status["steps"] = [_step(event, reason, self._pod) for event in attempt.steps.values()]
        if attempt.sidecars:
            status["sidecars"] = list(map(_sidecar, attempt.sidecars))
        return status


def _task_condition(state: TaskState, attempt: _Attempt) -> dict[str, Any]:
    if not state.is_over:
        return _condition(_UNKNOWN, "Running", "Not all Steps in the Task have finished executing", attempt.started)
    succeeded = _TRUE if state.status == "Succeeded" else _FALSE
    return _condition(succeeded, state.reason, state.message, state.ended or attempt.started)


def _step(event: StepStarted | StepFinished, task_reason: str, pod: str) -> dict[str, Any]:
    step: dict[str, Any] = {"name": event.step, "container": event.container}
    if isinstance(event, StepStarted):
        return {**step, "running": {"startedAt": _time(event.at)}}
    out_of_memory = event.reason == "OOMKilled"
    reason, why = ended_as(event.reason, event.exit_code, task_reason, out_of_memory=out_of_memory)
    message = event.message or (
        f"Step {event.step} terminated as pod {pod} is terminated" if why == task_reason else ""
    )
    return {**step, "terminated": _terminated(event, reason, message), "terminationReason": why}


def _sidecar(event: SidecarFinished) -> dict[str, Any]:
    terminated = _terminated(event, event.reason, event.message)
    return {"name": event.sidecar, "container": event.container, "terminated": terminated}


def _terminated(event: StepFinished | SidecarFinished, reason: str, message: str) -> dict[str, Any]:
    terminated: dict[str, Any] = {"exitCode": event.exit_code, "reason": reason}
    if event.start:
        terminated.update(startedAt=_time(event.start), finishedAt=_time(event.end))
    return {**terminated, "message": message} if message else terminated


def _reference(kind: str, name: str, task: str) -> dict[str, Any]:
    return {"apiVersion": "tekton.dev/v1", "kind": kind, "name": name, "pipelineTaskName": task}


def _condition(status: str, reason: str, message: str, at: float) -> dict[str, Any]:
    condition = {"type": "Succeeded", "status": status, "reason": reason, "message": message}
    return {**condition, "lastTransitionTime": _time(at)}


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
