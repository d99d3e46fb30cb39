"""Whether a PipelineTask whose predecessors have ended starts, is skipped, or cannot start. Pure.

Rules: the reasons, their words and their order are Tekton's (docs/pipelines.md, "Guard Task execution using when
expressions"; docs/pipelineruns.md, "Monitoring execution status"). A Task whose predecessor was skipped goes with it,
unless only the predecessor's guards kept it from running.
"""

from __future__ import annotations

from typing import NamedTuple

from monopod.entrypoint.result_references import guard_texts, result_references
from monopod.entrypoint.run_state import PipelineState, TaskState
from monopod.entrypoint.when import evaluated, holds
from monopod.schemas.variables import EvaluationError, Reference, references

SKIPPED_EMPTY_MATRIX = "Matrix Parameters have an empty array"
_BY_WHEN = "When Expressions evaluated to false"
_WITH_PARENT = "Parent Tasks were skipped"
_WITHOUT_RESULTS = "Results were missing"
_STOPPING = "PipelineRun was stopping"
_CANCELLED = {
    "Cancelled": _STOPPING,
    "CancelledRunFinally": "PipelineRun was gracefully cancelled",
    "StoppedRunFinally": "PipelineRun was gracefully stopped",
}
_TIMED_OUT = {
    "pipeline": "PipelineRun timeout has been reached",
    "tasks": "PipelineRun Tasks timeout has been reached",
    "finally": "PipelineRun Finally timeout has been reached",
}


class Skip(NamedTuple):
    """The Task is skipped, for this reason."""

    reason: str


class Reject(NamedTuple):
    """The Task cannot start: what it refers to does not exist or does not fit."""

    message: str


def nothing_starts(pipeline: PipelineState, *, final: bool) -> str:
    """Return the reason why no further Task of this kind starts, or an empty text if they may."""
    if final:
        if pipeline.cancel == "Cancelled":
            return _STOPPING
        return _TIMED_OUT.get(pipeline.timed_out, "") if pipeline.timed_out != "tasks" else ""
    if pipeline.cancel is not None:
        return _CANCELLED[pipeline.cancel]
    return _TIMED_OUT.get(pipeline.timed_out) or (_STOPPING if pipeline.stopping else "")


def what_keeps(task: TaskState) -> Skip | Reject | None:
    """Return what keeps a Task from starting; note in it how its guards were evaluated."""
    missing = _missing_results(task)
    try:
        reason = nothing_starts(task.pipeline, final=task.final)
        if not reason and not (task.final and missing) and not _guards_hold(task, missing):
            reason = _BY_WHEN
    except EvaluationError as error:
        return Reject(str(error))
    reason = reason or _skipped_parent(task)
    if reason:
        return Skip(reason)
    return _without_results(task, missing) if missing else None


def _guards_hold(task: TaskState, missing: tuple[Reference, ...]) -> bool:
    """Evaluate the guards, but for those that refer to a Result that is missing."""
    absent = {reference.text for reference in missing}
    guards = [
        guard
        for guard in task.plan.when
        if absent.isdisjoint(each.text for text in guard_texts(guard) for each in references(text))
    ]
    task.when = evaluated(guards, task.pipeline.scope)
    return all(holds(expression, task.pipeline.truth_of) for expression in task.when)


def _skipped_parent(task: TaskState) -> str:
    parents = (task.pipeline.tasks[name] for name in task.plan.after)
    skipped = any(parent.phase == "Skipped" and parent.reason != _BY_WHEN for parent in parents)
    return _WITH_PARENT if skipped else ""


def _missing_results(task: TaskState) -> tuple[Reference, ...]:
    """Return the references of a Task to Results that do not exist, empty if there are none."""
    scope = task.pipeline.scope
    if not task.plan.result_sources:
        return ()
    return tuple(
        reference
        for reference in result_references(task.plan)
        if scope.get(reference.path) is None and reference.path[1] in task.plan.result_sources
    )


def _without_results(task: TaskState, missing: tuple[Reference, ...]) -> Skip | Reject:
    """What Tekton does depends on the source of the first one (skipBecauseResultReferencesAreMissing)."""
    source = task.pipeline.tasks[missing[0].path[1]]
    guarded = source.phase == "Skipped" and source.reason == _BY_WHEN
    if task.final or task.tolerated or guarded:
        return Skip(_WITHOUT_RESULTS)
    texts = ", ".join(reference.text for reference in missing)
    return Reject(f"invalid result reference: {texts} does not exist")
