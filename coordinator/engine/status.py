"""A run's records as Tekton tells them: the condition, the Results, the finished PipelineRun or TaskRun.

Rules: shapes and reasons are those of `tekton.dev/v1` (Tekton docs/pipelineruns.md, "Monitoring execution status").
There are no TaskRun objects here, so a PipelineRun's status also carries the status of each in a map ``taskRuns`` (and
``pipelineRuns`` for Pipelines in Pipelines), as Tekton's `v1beta1` did. Pure: from records to plain data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

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
from monopod.schemas.run_status import (
    ChildReference,
    Condition,
    PipelineRunOfPipeline,
    PipelineRunStatus,
    PlainValue,
    ResultStatus,
    SidecarStatus,
    SkippedTask,
    StepStatus,
    TaskRunStatus,
    Terminated,
    WhenStatus,
    ended_as,
)
from monopod.schemas.variables import EvaluationError, evaluate, references_in


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
    """Return a Pipeline's Results, and what is wrong with those that cannot be had (empty: nothing).

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
    metadata = {key: value for key, value in plan.document.get("metadata", {}).items() if key != "generateName"}
    document = {**plan.document, "metadata": {"name": run.name, **metadata}}
    document["metadata"]["namespace"] = run.values["context", "pipelineRun", "namespace"]
    document["metadata"]["uid"] = run.values["context", "pipelineRun", "uid"]
    task_run = the_task_run(plan, run)
    status = _pipeline_status(run, run.name) if task_run is None else _instance_status(task_run, run.name)
    return {**document, "status": status}


def the_task_run(plan: Plan, run: PipelineState) -> InstanceState | None:
    """Return the TaskRun that is the whole run; None for a PipelineRun."""
    if plan.document.get("kind") != "TaskRun":
        return None
    return next(iter(run.tasks.values())).instances[0]


def _pipeline_status(pipeline: PipelineState, pod: str) -> PipelineRunStatus:
    tasks = pipeline.all_tasks()
    assert pipeline.outcome is not None
    status: PipelineRunStatus = {
        "conditions": [_condition(pipeline.outcome, pipeline.finished)],
        "startTime": _time(pipeline.started),
        "completionTime": _time(pipeline.finished),
        "childReferences": [reference for task in tasks for reference in _child_references(task)],
        "taskRuns": {
            instance.name: {"pipelineTaskName": task.plan.name, "status": _instance_status(instance, pod)}
            for task in tasks
            for instance in task.instances
        },
    }
    if pipeline.finally_started is not None and any(task.instances or task.child for task in tasks if task.final):
        status["finallyStartTime"] = _time(pipeline.finally_started)
    children: dict[str, PipelineRunOfPipeline] = {
        task.child.name: {"pipelineTaskName": task.plan.name, "status": _pipeline_status(task.child, pod)}
        for task in tasks
        if task.child is not None
    }
    if children:
        status["pipelineRuns"] = children
    skipped = [_skipped(task) for task in tasks if task.phase == "Skipped"]
    if skipped:
        status["skippedTasks"] = skipped
    if pipeline.results:
        status["results"] = [{"name": name, "value": _plain(value)} for name, value in pipeline.results.items()]
    return status


def _child_references(task: TaskState) -> Iterator[ChildReference]:
    names = [(each.name, each) for each in task.instances] if task.child is None else [(task.child.name, None)]
    for name, instance in names:
        reference: ChildReference = {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun" if task.child is None else "PipelineRun",
            "name": name,
            "pipelineTaskName": task.plan.name,
        }
        if shown := display_name(task, instance):
            reference["displayName"] = shown
        if task.when:
            reference["whenExpressions"] = list(map(_when, task.when))
        yield reference


def _skipped(task: TaskState) -> SkippedTask:
    skipped: SkippedTask = {"name": task.plan.name, "reason": task.reason}
    if task.when:
        skipped["whenExpressions"] = list(map(_when, task.when))
    return skipped


def _when(expression: WhenExpression) -> WhenStatus:
    if expression.cel:
        return {"cel": expression.cel}
    return {"input": expression.input, "operator": expression.operator, "values": list(expression.values)}


def _instance_status(instance: InstanceState, pod: str) -> TaskRunStatus:
    assert instance.outcome is not None
    if not instance.attempts:
        at = _time(instance.finished)
        conditions = [_condition(instance.outcome, instance.finished)]
        return {"conditions": conditions, "podName": pod, "startTime": at, "completionTime": at}
    status = _attempt_status(instance, instance.attempt, pod)
    status["conditions"] = [_condition(instance.outcome, instance.attempt.finished)]
    earlier = [_attempt_status(instance, attempt, pod) for attempt in instance.attempts[:-1]]
    if earlier:
        status["retriesStatus"] = earlier
    return status


def _attempt_status(instance: InstanceState, attempt: AttemptState, pod: str) -> TaskRunStatus:
    assert attempt.outcome is not None
    status: TaskRunStatus = {
        "conditions": [_condition(attempt.outcome, attempt.finished)],
        "podName": pod,
        "startTime": _time(attempt.started),
        "completionTime": _time(attempt.finished),
        "steps": [_step_status(step, attempt.outcome, pod) for step in attempt.steps if step.reason],
    }
    if attempt.sidecars:
        status["sidecars"] = [_sidecar_status(each, attempt.finished) for each in attempt.sidecars]
    if attempt.results:
        status["results"] = _results(instance.task.plan.results, attempt.results)
    if attempt.artifacts:
        status["artifacts"] = attempt.artifacts.status()
    return status


def _results(declarations: tuple[ResultDeclaration, ...], values: dict[str, Value]) -> list[ResultStatus]:
    types = {declaration.name: declaration.type for declaration in declarations}
    return [{"name": name, "type": types[name], "value": _plain(value)} for name, value in values.items()]


def _step_status(step: StepState, outcome: Outcome, pod: str) -> StepStatus:
    reason, why = ended_as(step.reason, step.exit_code, outcome.reason, out_of_memory=step.out_of_memory)
    terminated: Terminated = {"exitCode": step.exit_code, "reason": reason}
    if step.start:
        terminated["startedAt"], terminated["finishedAt"] = _time(step.start), _time(step.end)
    if step.message:
        terminated["message"] = step.message
    elif why == outcome.reason:
        terminated["message"] = f"Step {step.plan.name} terminated as pod {pod} is terminated"
    status: StepStatus = {
        "name": step.plan.name,
        "container": step.container,
        "terminated": terminated,
        "terminationReason": why,
    }
    if step.results:
        status["results"] = _results(step.plan.results, step.results)
    if step.artifacts.inputs:
        status["inputs"] = list(step.artifacts.inputs)
    if step.artifacts.outputs:
        status["outputs"] = list(step.artifacts.outputs)
    return status


def _sidecar_status(sidecar: SidecarState, task_finished: float) -> SidecarStatus:
    """Return how a Sidecar ended; one that was stopped with its Task has completed, as in Tekton."""
    status: SidecarStatus = {"name": sidecar.plan.step.name, "container": sidecar.container}
    how = sidecar.end
    if how is not None:
        status["terminated"] = {"exitCode": exit_code_of(how), "reason": reason_of(how)}
        start, end = how.start or sidecar.started, how.end or task_finished
        if how.error:
            status["terminated"]["message"] = how.error
    elif sidecar.request:
        status["terminated"] = {"exitCode": 0, "reason": "Completed"}
        start, end = sidecar.started, task_finished
    else:
        return {**status, "waiting": {"reason": "PodInitializing"}}
    if start:
        status["terminated"]["startedAt"], status["terminated"]["finishedAt"] = _time(start), _time(end)
    return status


def _condition(outcome: Outcome, at: float) -> Condition:
    return {
        "type": "Succeeded",
        "status": "True" if outcome.succeeded else "False",
        "reason": outcome.reason,
        "message": outcome.message,
        "lastTransitionTime": _time(at),
    }


def _plain(value: Value) -> PlainValue:
    return list(value) if isinstance(value, tuple) else value


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
