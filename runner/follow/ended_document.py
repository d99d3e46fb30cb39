"""The PipelineRun (or TaskRun) of a run that has ended, whether or not the coordinator reported its end.

- If the coordinator reported this outcome, the document is the coordinator's.
- If it reported another one, the condition and the time of the run's end are replaced.
- If it reported none, the document is made of the events so far (``schemas.run_document``). What had not ended, ended
  with its Pod (Tekton pkg/reconciler/taskrun, "terminateStepsInPod"); unless the outcome is a failure, how it ended is
  not known. Results are missing, since only the coordinator knows them.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monopod.runner.backend import EVICTED
from monopod.runner.display.summary import Outcome
from monopod.schemas.formats.timestamps import to_rfc3339
from monopod.schemas.plan import Plan
from monopod.schemas.run_document import run_document
from monopod.schemas.run_progress import RunProgress

_CONDITIONS = {"Succeeded": "True", "Unknown": "Unknown"}
_CHILDREN = ("taskRuns", "pipelineRuns")


def ended_document(
    plan: Plan,
    progress: RunProgress,
    outcome: Outcome,
    at: float,
    *,
    pod: Mapping[str, Any] | None = None,
    began: float | None = None,
) -> dict[str, Any]:
    """Return the document of a run that ended with `outcome` at the time `at`.

    `pod` is the metadata of the Pod and `began` is when it was made, for a run that did not report its start.
    """
    pod = pod or {}
    finished = progress.finished
    if finished is not None and (finished.status, finished.reason) == (outcome.status, outcome.reason):
        return finished.document
    document = run_document(plan, progress, pod, at) if finished is None else finished.document
    started = {"startTime": pod.get("creationTimestamp") or to_rfc3339(at if began is None else began)}
    return {**document, "status": _ended({**started, **document["status"]}, outcome, at)}


def _ended(status: Mapping[str, Any], outcome: Outcome, at: float) -> dict[str, Any]:
    """Return the status of a Pipeline or Task that has ended with this outcome."""
    if "taskRuns" not in status and outcome.reason == EVICTED:
        outcome = Outcome(outcome.status, "PodEvicted", outcome.message)  # what Tekton calls it in a TaskRun
    condition = _CONDITIONS.get(outcome.status, "False")
    ended = {
        **status,
        "conditions": [
            {
                "type": "Succeeded",
                "status": condition,
                "reason": outcome.reason,
                "message": outcome.message,
                "lastTransitionTime": to_rfc3339(at),
            }
        ],
        "completionTime": to_rfc3339(at),
    }
    inner = outcome
    if condition != "False":  # which says nothing about its Tasks
        inner = Outcome("Unknown", "OutcomeUnknown", "its end was not reported")
    for kind in _CHILDREN:
        if kind in status:
            ended[kind] = {
                name: {**run, "status": _ended(run["status"], inner, at)} if _is_unfinished(run["status"]) else run
                for name, run in status[kind].items()
            }
    if "steps" in status and condition == "False":
        ended["steps"] = [_ended_step(step, status["podName"], outcome.reason, at) for step in status["steps"]]
    return ended


def _is_unfinished(status: Mapping[str, Any]) -> bool:
    return any(condition["status"] == "Unknown" for condition in status["conditions"])


def _ended_step(step: Mapping[str, Any], pod: str, reason: str, at: float) -> dict[str, Any]:
    """Return the status of a Step that has ended, if it was running, because its Pod did."""
    if "running" not in step:
        return dict(step)
    message = f"Step {step['name']} terminated as pod {pod} is terminated"
    terminated = {"exitCode": 1, "reason": reason, "message": message, "finishedAt": to_rfc3339(at)}
    rest = {key: value for key, value in step.items() if key != "running"}
    return {**rest, "terminated": {**step["running"], **terminated}, "terminationReason": reason}
