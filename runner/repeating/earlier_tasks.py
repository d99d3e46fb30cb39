"""What a recorded run leaves to its repetition: how each Task ended, and the Results of the Tasks that succeeded.

Pure. Left to others: whether a Task has changed (``task_digests``), which Tasks run again (``reuse``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monopod.compiler.tasks.left_out import lengths
from monopod.runner.masking.masks import MASK
from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.records.values import results_of
from monopod.schemas.plan import REUSED, LeftOut, Param, Task, Value


@dataclass(frozen=True, slots=True)
class EarlierTask:
    """A Task of the recorded run. ``reusable`` is what it leaves to others if it succeeded.

    ``left_out``: the command line had left it out, and what it had all the same. ``masked``: it succeeded, but the
    record has its Results without the secrets in them.
    """

    status: str
    reusable: LeftOut | None = None
    left_out: LeftOut | None = None
    masked: bool = False


def earlier_tasks(run: RecordedRun) -> dict[str, EarlierTask]:
    """Return the Tasks of a recorded run by name."""
    status = (run.document or {}).get("status", {})
    pipelines = {each["pipelineTaskName"]: each["status"] for each in status.get("pipelineRuns", {}).values()}
    return {task.name: _without_masked_results(_earlier(task, run, pipelines)) for task in run.plan.pipeline.all_tasks}


def _without_masked_results(task: EarlierTask) -> EarlierTask:
    """Return a Task that cannot be reused if a secret was masked in its Results."""
    if task.reusable is None or MASK not in json.dumps(task.reusable.results):
        return task
    return EarlierTask(task.status, masked=True)


def _earlier(task: Task, run: RecordedRun, pipelines: Mapping[str, Any]) -> EarlierTask:
    if task.left_out is not None:
        if task.left_out.reused:
            return EarlierTask("Succeeded", task.left_out)
        return EarlierTask("Skipped", left_out=task.left_out)
    reusable = LeftOut(REUSED, f"it succeeded in {run.record.identity}", reused=True)
    if task.pipeline is not None:
        return _earlier_pipeline(pipelines.get(task.name, {}), reusable)
    instances = [each for each in run.tasks if each.state.path == task.name]
    failed = [each.state.status for each in instances if each.state.status != "Succeeded"]
    if failed or not instances:
        return EarlierTask(failed[0] if failed else "Waiting")
    if task.matrix is None:
        return EarlierTask("Succeeded", reusable._replace(results=_params(dict(instances[0].results))))
    results = _params(_joined(instances))
    variables = dict(lengths(task.name, results))
    variables[f"tasks.{task.name}.matrix.length"] = str(len(instances))
    return EarlierTask("Succeeded", reusable._replace(results=results, variables=tuple(variables.items())))


def _earlier_pipeline(status: Mapping[str, Any], reusable: LeftOut) -> EarlierTask:
    """Return a Pipeline that ran as a Task, from its status."""
    if [condition["status"] for condition in status.get("conditions", ())] != ["True"]:
        return EarlierTask("Failed")
    return EarlierTask("Succeeded", reusable._replace(results=_params(dict(results_of(status)))))


def _joined(instances: Sequence[TaskRun]) -> dict[str, Value]:
    """Return the Results of a matrix: arrays with an element for each combination."""
    joined: dict[str, list[str]] = {}
    for instance in sorted(instances, key=lambda each: each.state.index or 0):
        for name, value in instance.results:
            joined.setdefault(name, []).append(str(value))
    return {name: tuple(values) for name, values in joined.items()}


def _params(values: Mapping[str, Value]) -> tuple[Param, ...]:
    return tuple(Param(name, value) for name, value in values.items())
