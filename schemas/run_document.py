"""The PipelineRun or TaskRun of a run with its status, made of what is known of the run (``run_progress``).

Shapes, reasons and messages follow `tekton.dev/v1` (Tekton docs/pipelineruns.md and docs/taskruns.md, "Monitoring
execution status"; pkg/pod/status.go). There are no TaskRun objects, so the status of a PipelineRun also carries the
status of each TaskRun in a map ``taskRuns`` (and ``pipelineRuns`` for inner Pipelines), as Tekton's `v1beta1` did.

What has not ended has no ``completionTime``, and the condition Unknown with the reason Running or Pending. Results,
Artifacts and the end of a Pipeline are present if the progress has them, as the coordinator's has, unlike events.

Pure. Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from monopod.schemas.formats.timestamps import to_rfc3339
from monopod.schemas.plan import Pipeline, Plan
from monopod.schemas.run_events import CancelMode, describe_hold
from monopod.schemas.run_progress import Attempt, PipelineEnd, RunProgress, SidecarRun, StepRun, TaskState

if TYPE_CHECKING:
    from monopod.schemas.run_status import (
        ChildReference,
        Condition,
        PipelineRunOfPipeline,
        PipelineRunStatus,
        SidecarStatus,
        SkippedTask,
        StepStatus,
        TaskRunOfPipeline,
        TaskRunStatus,
        Terminated,
        WhenStatus,
    )

KILLED_MESSAGE = "its container was killed, from outside or for its use of memory"
"""The message of a program that ended with its container."""

COULD_NOT_START = "PipelineValidationFailed"
"""The reason of a Task that never had a TaskRun, since what it refers to does not exist or does not fit."""

_CUT_OFF = frozenset(
    {"TaskRunCancelled", "TaskRunTimeout", "TaskRunImagePullFailed", "CreateContainerConfigError", "PodCreationFailed"}
)
"""Reasons of a TaskRun that was ended from outside: its Steps that had not ended by then get the same one."""

_CANCELLING: dict[CancelMode, str] = {
    "Cancelled": "Cancelled",
    "CancelledRunFinally": "CancelledRunningFinally",
    "StoppedRunFinally": "StoppedRunningFinally",
}
"""The reasons of a PipelineRun that is being cancelled."""


def run_document(plan: Plan, progress: RunProgress, pod: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return the document of a run at the time `now`. `pod` is the metadata of its Pod, for a run that has not started.

    A name in the metadata of the Plan's document is kept; the name of the run takes the place of ``generateName``.
    """
    known = {key: pod[key] for key in ("name", "namespace", "uid") if pod.get(key)}
    if progress.run is not None:
        known = {"name": progress.run.name, "namespace": progress.run.namespace, "uid": progress.run.uid}
    metadata = dict(plan.document.get("metadata") or {})
    if known:
        metadata = {key: value for key, value in metadata.items() if key != "generateName"}
        name = {"name": known.pop("name")} if "name" in known else {}
        metadata = {**name, **metadata, **known}
    status = _Status(plan, progress, progress.name or str(pod.get("name") or ""), now)
    return {**plan.document, "metadata": metadata, "status": status.of_run()}


class _Status:
    """Makes the status of one run."""

    def __init__(self, plan: Plan, progress: RunProgress, pod: str, now: float) -> None:
        self._plan = plan
        self._progress = progress
        self._pod = pod
        self._now = now

    def of_run(self) -> PipelineRunStatus | TaskRunStatus:
        if self._plan.document.get("kind") == "TaskRun":
            return self._only_task_run(self._progress.tasks[0])
        return self._pipeline(self._plan.pipeline, "", self._pod)

    def _only_task_run(self, task: TaskState) -> TaskRunStatus:
        """Return the status of the TaskRun that is the whole run, also before any event of it."""
        if task.attempts or task.is_over:
            return self._task_run(task)
        status: TaskRunStatus = {"conditions": [self._unfinished("")], "podName": self._pod}
        if self._progress.started is not None:
            status["startTime"] = to_rfc3339(self._progress.started)
        return status

    # Pipelines

    def _pipeline(self, pipeline: Pipeline, prefix: str, name: str) -> PipelineRunStatus:
        end = self._progress.pipelines.get(prefix)
        references: list[ChildReference] = []
        runs: dict[str, TaskRunOfPipeline] = {}
        children: dict[str, PipelineRunOfPipeline] = {}
        skipped: list[SkippedTask] = []
        for task in pipeline.all_tasks:
            path, of_task = f"{prefix}{task.name}", f"{name}-{task.name}"
            if task.pipeline is not None and self._has_started(f"{path}/"):
                inner = self._progress.pipelines.get(f"{path}/")
                references.append(_reference("PipelineRun", of_task, task.name, inner))
                status_inside = self._pipeline(task.pipeline, f"{path}/", of_task)
                children[of_task] = {"pipelineTaskName": task.name, "status": status_inside}
            for state in self._progress.instances(path):
                if state.status == "Skipped":
                    skipped.append(_skipped(task.name, state))
                elif state.attempts or (state.is_over and state.reason != COULD_NOT_START):
                    run = of_task if state.index is None else f"{of_task}-{state.index}"
                    references.append(_reference("TaskRun", run, task.name, state))
                    runs[run] = {"pipelineTaskName": task.name, "status": self._task_run(state)}
        status = self._beginning(prefix, end)
        status["childReferences"], status["taskRuns"] = references, runs
        if end is not None and end.finally_started is not None:
            status["finallyStartTime"] = to_rfc3339(end.finally_started)
        if children:
            status["pipelineRuns"] = children
        if skipped:
            status["skippedTasks"] = skipped
        if end is not None and end.results:
            status["results"] = list(end.results)
        return status

    def _beginning(self, prefix: str, end: PipelineEnd | None) -> PipelineRunStatus:
        """Return the condition and the times of a Pipeline."""
        if end is not None:
            condition = _condition(end.status == "Succeeded", end.reason, end.message, end.ended)
            started, completed = to_rfc3339(end.started), to_rfc3339(end.ended)
            return {"conditions": [condition], "startTime": started, "completionTime": completed}
        status: PipelineRunStatus = {"conditions": [self._unfinished(prefix)]}
        if self._progress.started is not None:
            status["startTime"] = to_rfc3339(self._progress.started)
        return status

    def _has_started(self, prefix: str) -> bool:
        """Return whether an inner Pipeline has started. If it was skipped, it is listed as a Task itself."""
        return prefix in self._progress.pipelines or any(
            task.status != "Waiting" for task in self._progress.inside(prefix)
        )

    def _unfinished(self, prefix: str) -> Condition:
        """Return the condition of a Pipeline whose end is not known."""
        progress = self._progress
        if progress.started is None:
            return _condition(None, "Pending", "the Pod has not started", self._now)
        states = progress.inside(prefix)
        over = [state for state in states if state.is_over and state.status != "Skipped"]
        failed = sum(state.status in ("Failed", "TimedOut") for state in over)
        cancelled = sum(state.status == "Cancelled" for state in over)
        skipped = sum(state.status == "Skipped" for state in states)
        message = (
            f"Tasks Completed: {len(over)} (Failed: {failed}, Cancelled {cancelled}), "
            f"Incomplete: {len(states) - len(over) - skipped}, Skipped: {skipped}"
        )
        reason = "Running" if progress.cancel_mode is None else _CANCELLING[progress.cancel_mode]
        latest = max((state.ended or state.started or 0 for state in states), default=0)
        return _condition(None, reason, message, latest or progress.started)

    # Tasks

    def _task_run(self, task: TaskState) -> TaskRunStatus:
        """Return the status of a Task instance, as its last attempt left it, with the earlier attempts."""
        attempt = task.last
        if attempt is None:
            at = task.ended or 0
            condition = _condition(task.status == "Succeeded", task.reason, task.message, at)
            when = to_rfc3339(at)
            return {"conditions": [condition], "podName": self._pod, "startTime": when, "completionTime": when}
        status = self._attempt(attempt, task)
        earlier = [self._attempt(attempt, None) for attempt in task.attempts[:-1]]
        if earlier:
            status["retriesStatus"] = earlier
        return status

    def _attempt(self, attempt: Attempt, task: TaskState | None) -> TaskRunStatus:
        """Return the status of an attempt; the last attempt's has the end of its `task`, if it has ended."""
        ending: Attempt | TaskState = attempt if task is None else task
        is_over = task is None or task.is_over
        ended = attempt.ended if attempt.ended is not None or not is_over else ending.ended
        status: TaskRunStatus = {
            "conditions": [_running(attempt)],
            "podName": self._pod,
            "startTime": to_rfc3339(attempt.started),
        }
        if is_over and ended is not None:
            succeeded = ending.status == "Succeeded"
            status["conditions"] = [_condition(succeeded, ending.reason, ending.message, ended)]
            status["completionTime"] = to_rfc3339(ended)
        reason = attempt.reason if is_over else ""
        status["steps"] = [self._step(step, reason) for step in attempt.steps]
        if attempt.sidecars:
            status["sidecars"] = [_sidecar(sidecar, attempt.ended) for sidecar in attempt.sidecars]
        if attempt.results:
            status["results"] = list(attempt.results)
        if attempt.artifacts:
            status["artifacts"] = attempt.artifacts
        return status

    def _step(self, step: StepRun, task_reason: str) -> StepStatus:
        """Return the status of a Step; `task_reason` is the reason of its TaskRun if that has ended."""
        if not step.reason:
            running = {"startedAt": to_rfc3339(step.requested)}
            return {"name": step.name, "container": step.container, "running": running}
        reason, why = ended_as(step.reason, step.exit_code, task_reason, out_of_memory=step.out_of_memory)
        terminated: Terminated = {"exitCode": step.exit_code, "reason": reason}
        if step.start and step.end:
            terminated["startedAt"], terminated["finishedAt"] = to_rfc3339(step.start), to_rfc3339(step.end)
        if step.message:
            terminated["message"] = step.message
        elif why == task_reason:
            terminated["message"] = f"Step {step.name} terminated as pod {self._pod} is terminated"
        status: StepStatus = {
            "name": step.name,
            "container": step.container,
            "terminated": terminated,
            "terminationReason": why,
        }
        if step.results:
            status["results"] = list(step.results)
        if "inputs" in step.artifacts:
            status["inputs"] = step.artifacts["inputs"]
        if "outputs" in step.artifacts:
            status["outputs"] = step.artifacts["outputs"]
        return status


def ended_as(step: str, exit_code: int, task: str, *, out_of_memory: bool) -> tuple[str, str]:
    """Return why a Step ended, as `terminated.reason` and `terminationReason` say it.

    `step` is the reason of its event (``run_events.StepFinished``), `task` the reason of the TaskRun it belongs to.
    """
    if task in _CUT_OFF and (step in ("Cancelled", "TimedOut") or (step == "Skipped" and exit_code)):
        return task, task
    completed = step in ("Completed", "Continued") or exit_code == 0
    reason = "OOMKilled" if out_of_memory else "Completed" if completed else "Error"
    return reason, "TimeoutExceeded" if step == "TimedOut" else step


def _sidecar(sidecar: SidecarRun, task_ended: float | None) -> SidecarStatus:
    """Return how a Sidecar ended. As in Tekton, a Sidecar that was stopped with its Task has completed."""
    status: SidecarStatus = {"name": sidecar.name, "container": sidecar.container}
    if not sidecar.reason and sidecar.started is None:
        status["waiting"] = {"reason": "PodInitializing"}
        return status
    terminated: Terminated = {"exitCode": sidecar.exit_code, "reason": sidecar.reason or "Completed"}
    if sidecar.message:
        terminated["message"] = sidecar.message
    start, end = sidecar.start or sidecar.started, sidecar.end or task_ended
    if start and end:
        terminated["startedAt"], terminated["finishedAt"] = to_rfc3339(start), to_rfc3339(end)
    status["terminated"] = terminated
    return status


def _reference(
    kind: Literal["TaskRun", "PipelineRun"], name: str, task: str, details: TaskState | PipelineEnd | None
) -> ChildReference:
    reference: ChildReference = {
        "apiVersion": "tekton.dev/v1",
        "kind": kind,
        "name": name,
        "pipelineTaskName": task,
    }
    if details is not None and details.display_name:
        reference["displayName"] = details.display_name
    if details is not None and details.when:
        reference["whenExpressions"] = _listed(details)
    return reference


def _skipped(name: str, task: TaskState) -> SkippedTask:
    skipped: SkippedTask = {"name": name, "reason": task.reason}
    if task.when:
        skipped["whenExpressions"] = _listed(task)
    return skipped


def _listed(details: TaskState | PipelineEnd) -> list[WhenStatus]:
    return [{**guard} for guard in details.when]


def _running(attempt: Attempt) -> Condition:
    held = next((step.held for step in attempt.steps if step.held is not None), None)
    if held is not None:  # Tekton has no reason of its own for that
        return _condition(None, "Running", f'Step "{held.step}" is {describe_hold(held)}', held.at)
    return _condition(None, "Running", "Not all Steps in the Task have finished executing", attempt.started)


def _condition(succeeded: bool | None, reason: str, message: str, at: float) -> Condition:  # or unknown
    return {
        "type": "Succeeded",
        "status": "Unknown" if succeeded is None else "True" if succeeded else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": to_rfc3339(at),
    }
