"""How a run ended, as Tekton says it: names, the condition and the Results of a Pipeline, the finished document.

Reasons and messages are those of `tekton.dev/v1` (Tekton docs/pipelineruns.md, "Monitoring execution status").

Pure. What is left to others: how a Task ended (``failure_reasons``), the shape of the document (``run_document``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monopod.coordinator.engine.display_names import display_name
from monopod.coordinator.engine.failure_reasons import exit_code_of, reason_of
from monopod.coordinator.engine.run_state import (
    AttemptState,
    InstanceState,
    Outcome,
    PipelineState,
    SidecarState,
    StepState,
    TaskState,
)
from monopod.schemas.plan import Plan, ResultDeclaration, Value, WhenExpression
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import RunStarted
from monopod.schemas.run_progress import Attempt, PipelineEnd, RunProgress, SidecarRun, StepRun, TaskStatus
from monopod.schemas.run_progress import TaskState as TaskProgress
from monopod.schemas.variables import EvaluationError, evaluate, references_in

if TYPE_CHECKING:
    from monopod.schemas.run_status import PlainValue, ResultStatus, WhenStatus


def task_run_name(task: TaskState, index: int | None, plan: Plan) -> str:
    """Return the name that the TaskRun of a Task instance would have in Tekton."""
    if plan.document.get("kind") == "TaskRun":
        return task.pipeline.name
    name = f"{task.pipeline.name}-{task.plan.name}"
    return name if index is None else f"{name}-{index}"


def uid_of(run_uid: str, name: str) -> str:
    """Return a UID for a TaskRun or a child PipelineRun: made from the run's, since there is no such object."""
    from hashlib import sha256  # noqa: PLC0415  # only texts that name a UID pay for it

    digits = sha256(f"{run_uid}/{name}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def pipeline_results(pipeline: PipelineState) -> tuple[dict[str, Value], str]:
    """Return a Pipeline's Results, and why Results are missing (empty: none is).

    A Result whose Task did not succeed is left out without a word (Tekton docs/pipelines.md, "Emitting Results from a
    Pipeline").
    """
    results: dict[str, Value] = {}
    invalid = []
    for declaration in pipeline.plan.results:
        assert declaration.value is not None
        missing = [each for each in references_in(declaration.value) if not _is_emitted(pipeline, each.path)]
        if not missing:
            try:
                results[declaration.name] = evaluate(declaration.value, pipeline.scope)
            except EvaluationError:
                invalid.append(declaration.name)
        elif all(_emitted_nothing_by_right(pipeline, each.path) for each in missing):
            continue
        else:
            invalid.append(declaration.name)
    return (
        results,
        f"invalid pipelineresults [{' '.join(invalid)}]: the referenced results don't exist" if invalid else "",
    )


def _is_emitted(pipeline: PipelineState, path: tuple[str, ...]) -> bool:
    """Return whether a reference has a value. A matrix has none if one of its combinations failed."""
    task = _task_of(pipeline, path)
    return pipeline.scope.get(path) is not None and not (task and task.plan.matrix and task.phase != "Succeeded")


def _emitted_nothing_by_right(pipeline: PipelineState, path: tuple[str, ...]) -> bool:
    task = _task_of(pipeline, path)
    return task is not None and task.phase != "Succeeded"


def _task_of(pipeline: PipelineState, path: tuple[str, ...]) -> TaskState | None:
    tasks = {"tasks": pipeline.tasks, "finally": pipeline.final_tasks}.get(path[0], {})
    return tasks.get(path[1]) if len(path) > 1 else None


def pipeline_outcome(pipeline: PipelineState, results_problem: str) -> Outcome:
    """Return how a Pipeline ended whose Tasks have all ended (Tekton's GetPipelineConditionStatus)."""
    plan, name = pipeline.plan, pipeline.name
    if pipeline.cancel == "Cancelled":
        return Outcome("Cancelled", "Cancelled", f'PipelineRun "{name}" was cancelled')
    if pipeline.timed_out == "pipeline":
        text = f'PipelineRun "{name}" failed to finish within "{in_go_notation(plan.timeout or 0)}"'
        return Outcome("TimedOut", "PipelineRunTimeout", text)
    if pipeline.timed_out == "tasks":
        limit = in_go_notation(plan.tasks_timeout or 0)
        text = f'PipelineRun "{name}" failed due to tasks failed to finish within "{limit}"'
        return Outcome("TimedOut", "PipelineRunTimeout", text)
    return _outcome_of_tasks(pipeline, results_problem)


def _outcome_of_tasks(pipeline: PipelineState, results_problem: str) -> Outcome:
    tasks = pipeline.all_tasks()
    invalid = [task for task in tasks if task.phase == "Invalid"]
    ended_badly = [task for task in tasks if task.failed and task.phase != "Invalid"]
    cut_off = [task for task in ended_badly if task.phase == "Cancelled"]
    cancelled = [task for task in cut_off if not task.final]  # one of `finally` was cut off by its timeout: it failed
    ignored = [task for task in ended_badly if task.tolerated and task not in cut_off]
    failed = len(ended_badly) - len(cancelled) - len(ignored)
    skipped = [task for task in tasks if task.phase == "Skipped"]
    completed = len(tasks) - len(skipped) - len(invalid)
    of_these = f" (Ignored: {len(ignored)})" if ignored else ""
    message = (
        f"Tasks Completed: {completed} (Failed: {failed + len(ignored)}{of_these}, Cancelled {len(cancelled)}), "
        f"Skipped: {len(skipped)}"
    )
    if invalid:
        why = "; ".join(f"{task.plan.name}: {task.message}" for task in invalid)
        return Outcome("Failed", invalid[0].reason, f"{message}, Failed Validation: {len(invalid)} ({why})")
    if failed or any("timeout has been reached" in task.reason for task in skipped):
        return Outcome("Failed", "Failed", message)
    if pipeline.cancel is not None or cancelled:
        return Outcome("Cancelled", "Cancelled", f'PipelineRun "{pipeline.name}" was cancelled')
    if results_problem:
        return Outcome("Failed", "CouldntGetPipelineResult", results_problem)
    return Outcome("Succeeded", "Completed" if skipped else "Succeeded", message)


def in_go_notation(seconds: float) -> str:
    """Return a duration as Go writes it: 90 seconds are ``1m30s``, half a second is ``500ms``."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or hours else ""
    return f"{text}{rest:g}s"


def finished_document(plan: Plan, run: PipelineState) -> dict[str, Any]:
    """Return the PipelineRun or TaskRun of the Plan with its status, as plain data of Tekton's v1 API."""
    return run_document(plan, progress_of(run), {}, run.finished)


def the_task_run(plan: Plan, run: PipelineState) -> InstanceState | None:
    """Return the TaskRun that is the whole run; None for a PipelineRun."""
    if plan.document.get("kind") != "TaskRun":
        return None
    return next(iter(run.tasks.values())).instances[0]


def progress_of(run: PipelineState) -> RunProgress:
    """Return what the engine knows of a run that has ended: what its events say, and what they do not."""
    values = run.values
    namespace, uid = (str(values["context", "pipelineRun", name]) for name in ("namespace", "uid"))
    progress = RunProgress()
    progress.run = RunStarted(run.started, run.name, namespace, uid)
    _add_pipeline(progress, run)
    return progress


def _add_pipeline(progress: RunProgress, pipeline: PipelineState) -> None:
    outcome = pipeline.outcome
    assert outcome is not None
    ran_finally = any(task.instances or task.child for task in pipeline.final_tasks.values())
    end = PipelineEnd(pipeline.started, pipeline.finished, *outcome)
    end.finally_started = pipeline.finally_started if ran_finally else None
    end.results = [{"name": name, "value": _plain(value)} for name, value in pipeline.results.items()]
    if pipeline.parent is not None:
        end.display_name = display_name(pipeline.parent, None)
        end.when = list(map(_when, pipeline.parent.when))
    progress.pipelines[pipeline.path] = end
    for task in pipeline.all_tasks():
        if task.child is not None:
            _add_pipeline(progress, task.child)
        for instance in task.instances:
            progress.add(_task_progress(instance))
        if task.phase in ("Skipped", "Invalid"):
            status: TaskStatus = "Skipped" if task.phase == "Skipped" else "Failed"
            state = TaskProgress(task.path, is_final=task.final, status=status)
            state.reason, state.message, state.when = task.reason, task.message, list(map(_when, task.when))
            progress.add(state)


def _task_progress(instance: InstanceState) -> TaskProgress:
    task, outcome = instance.task, instance.outcome
    assert outcome is not None
    state = TaskProgress(task.path, instance.index, is_final=task.final, status=outcome.status)
    state.reason, state.message, state.ended = outcome.reason, outcome.message, instance.finished
    state.attempts = [_attempt_progress(instance, attempt) for attempt in instance.attempts]
    state.started = state.attempts[0].started if state.attempts else None
    state.display_name = display_name(task, instance)
    state.when = list(map(_when, task.when))
    return state


def _attempt_progress(instance: InstanceState, attempt: AttemptState) -> Attempt:
    assert instance.slot is not None
    assert attempt.outcome is not None
    made = Attempt(attempt.number, attempt.started, instance.slot.name, instance.params)
    made.ended = attempt.finished
    made.status, made.reason, made.message = attempt.outcome
    made.steps = [_step_progress(step) for step in attempt.steps if step.reason]
    made.sidecars = list(map(_sidecar_progress, attempt.sidecars))
    made.results = results_of(attempt)
    made.artifacts = attempt.artifacts.status()
    return made


def _step_progress(step: StepState) -> StepRun:
    made = StepRun(step.plan.name, step.container, step.started)
    made.start, made.end = step.start or None, step.end or None
    made.exit_code, made.reason, made.message = step.exit_code, step.reason, step.message
    made.out_of_memory = step.out_of_memory
    made.results = _results(step.plan.results, step.results)
    made.artifacts = step.artifacts.status()
    return made


def _sidecar_progress(sidecar: SidecarState) -> SidecarRun:
    made = SidecarRun(sidecar.plan.step.name, sidecar.container, sidecar.started if sidecar.request else None)
    if (how := sidecar.end) is not None:
        made.start, made.end = how.start or None, how.end or None
        made.exit_code, made.reason, made.message = exit_code_of(how), reason_of(how), how.error
    return made


def results_of(attempt: AttemptState) -> list[ResultStatus]:
    """Return the Results of an attempt, in Tekton's shape."""
    return _results(attempt.instance.task.plan.results, attempt.results)


def _results(declarations: tuple[ResultDeclaration, ...], values: dict[str, Value]) -> list[ResultStatus]:
    types = {declaration.name: declaration.type for declaration in declarations}
    return [{"name": name, "type": types[name], "value": _plain(value)} for name, value in values.items()]


def _when(expression: WhenExpression) -> WhenStatus:
    if expression.cel:
        return {"cel": expression.cel}
    return {"input": expression.input, "operator": expression.operator, "values": list(expression.values)}


def _plain(value: Value) -> PlainValue:
    return list(value) if isinstance(value, tuple) else value
