"""Whether a PipelineTask whose predecessors have ended starts, is skipped, or cannot start. Pure.

Rules: the reasons and their order are Tekton's (docs/pipelines.md, "Guard Task execution using when
expressions"; docs/pipelineruns.md, "Monitoring execution status"). A Task whose predecessor was skipped goes with it,
unless only the predecessor's guards kept it from running, or it is left out of the run. A Task of another group that
was skipped there counts as skipped for the reason there. A Task that is only for success is skipped like one that has
not started when its Pipeline fails.
"""

from __future__ import annotations

from typing import NamedTuple

from monopod.coordinator.engine.result_references import guard_texts, result_references
from monopod.coordinator.engine.run_state import PipelineState, TaskState
from monopod.coordinator.engine.skip_words import describe_guard, join_names
from monopod.coordinator.engine.status import pipeline_outcome
from monopod.coordinator.engine.when import Guards
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
    """The Task is skipped for this reason. ``message`` says what decided it."""

    reason: str
    message: str = ""


class Reject(NamedTuple):
    """The Task cannot start, because it refers to something that does not exist or does not fit."""

    message: str


class Undecided(NamedTuple):
    """The truth of a CEL expression decides."""

    expression: str


def nothing_starts(pipeline: PipelineState, *, final: bool) -> str:
    """Return the reason why no further Task of this kind starts; empty if they may."""
    if final:
        if pipeline.cancel == "Cancelled":
            return _STOPPING
        if pipeline.timed_out == "pipeline":
            return _TIMED_OUT["pipeline"]
        return _TIMED_OUT["finally"] if pipeline.finally_timed_out else ""
    if pipeline.cancel is not None:
        return _CANCELLED[pipeline.cancel]
    return _TIMED_OUT.get(pipeline.timed_out) or (_STOPPING if pipeline.stopping else "")


def find_obstacle(task: TaskState) -> Skip | Reject | Undecided | None:
    """Return what keeps a Task from starting. Its ``guards`` record how they were evaluated."""
    if task.plan.left_out is not None and task.plan.left_out.problem:
        return Reject(task.plan.left_out.problem)
    missing = _missing_results(task)
    try:
        obstacle = _nothing_starts_or_guard(task, missing)
    except EvaluationError as error:
        return Reject(str(error))
    obstacle = obstacle or _skipped_with_parent(task)
    return obstacle or (_without_results(task, missing) if missing else None)


def _nothing_starts_or_guard(task: TaskState, missing: tuple[Reference, ...]) -> Skip | Reject | Undecided | None:
    """Return why nothing starts any more, or why its guards keep it. Raises EvaluationError."""
    reason = nothing_starts(task.pipeline, final=task.final)
    if reason:
        return Skip(reason)
    if task.plan.after_success and not (outcome := pipeline_outcome(task.pipeline, "")).succeeded:
        return Skip(_STOPPING, outcome.message)
    if task.final and missing:
        return None
    if task.guards is None:
        task.guards = _guards(task, missing)
    if task.guards.problem:
        return Reject(task.guards.problem)
    if task.guards.unanswered:
        return Undecided(task.guards.unanswered)
    return None if task.guards.false is None else Skip(_BY_WHEN, describe_guard(*task.guards.false))


def _guards(task: TaskState, missing: tuple[Reference, ...]) -> Guards:
    """Return the guards of a Task, without those that refer to a missing Result. Raises EvaluationError."""
    absent = {reference.text for reference in missing}
    guards = [
        guard
        for guard in task.plan.when
        if absent.isdisjoint(each.text for text in guard_texts(guard) for each in references(text))
    ]
    return Guards(guards, task.pipeline.scope)


def _skipped_with_parent(task: TaskState) -> Skip | None:
    parents = [task.pipeline.tasks[name] for name in task.plan.after]
    skipped = [each.plan.name for each in parents if each.phase == "Skipped" and not _lets_others_run(each)]
    return Skip(_WITH_PARENT, join_names(skipped)) if skipped else None


def _lets_others_run(skipped: TaskState) -> bool:
    left_out = skipped.plan.left_out
    return skipped.reason == _BY_WHEN or (left_out is not None and left_out.lets_others_run)


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
    """Skip or reject a Task, as Tekton does by the source of the first one (skipBecauseResultReferencesAreMissing)."""
    source = task.pipeline.tasks[missing[0].path[1]]
    guarded = source.phase == "Skipped" and source.reason == _BY_WHEN
    if task.final or task.tolerated or guarded:
        return Skip(_WITHOUT_RESULTS, join_names(dict.fromkeys(_describe_missing(task, each) for each in missing)))
    texts = ", ".join(reference.text for reference in missing)
    return Reject(f"invalid result reference: {texts} does not exist")


def _describe_missing(task: TaskState, reference: Reference) -> str:
    """Return which Result is missing, and what became of the Task that should have written it."""
    source = task.pipeline.tasks[reference.path[1]]
    became = {"Skipped": "was skipped", "Succeeded": "did not write it"}.get(source.phase, "did not succeed")
    if (left_out := source.plan.left_out) is not None and left_out.lets_others_run:
        became = "did not write it" if left_out.reused else "was left out"
    return f"{reference.text} (Task {source.plan.name} {became})"
