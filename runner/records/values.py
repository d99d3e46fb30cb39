"""The params and Results of the Tasks of a recorded run.

- Results come from the PipelineRun (or TaskRun), which has the Results of the Tasks that have succeeded so far.
- A param is evaluated with the params of the run, the Results, and the statuses of Tasks. Any other reference stays as
  it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from monopod.runner.records.store import Header
from monopod.schemas.plan import Pipeline, Plan, Task, Value
from monopod.schemas.run_progress import TaskState
from monopod.schemas.variables import Budget, EvaluationError, Path, Scope, evaluate, parse_path

MOST_CHARACTERS = 64 * 1024 * 1024
"""How much text references may expand to; a value that would exceed it is shown as written."""

Named: TypeAlias = tuple[tuple[str, Value], ...]

_EXECUTION_STATUSES = {"Succeeded": "Succeeded", "Skipped": "None", "Waiting": "None", "None": "None"}
"""What ``$(tasks.NAME.status)`` is for the status of a Task (Tekton docs/pipelines.md, "Using execution status")."""


class Values:
    """The values of one run. ``document`` is the finished PipelineRun or TaskRun, empty while there is none."""

    def __init__(self, plan: Plan, header: Header, document: Mapping[str, Any], states: Sequence[TaskState]) -> None:
        self._results = dict(_task_results(document.get("status", {}), plan.pipeline))
        self._display_names = dict(_display_names(document.get("status", {}), plan.pipeline))
        self._statuses = {state.path: state.status for state in states}
        self._scopes: dict[str, Scope] = {}
        values: dict[Path, Value] = {
            ("context", "pipelineRun", "name"): header.name,
            ("context", "pipeline", "name"): header.name,
            ("context", "pipelineRun", "namespace"): header.namespace,
            ("context", "pipelineRun", "uid"): header.uid,
        }
        self._budget = Budget(MOST_CHARACTERS)
        outer = Scope({**values, **_variables(plan.pipeline)})
        values |= {("params", param.name): _evaluated(param.value, outer) for param in plan.pipeline.params}
        self._add_scopes(plan.pipeline, "", values)

    def results(self, path: str, index: int | None) -> Named:
        """Return the Results of a Task instance."""
        return self._results.get((path, index), ())

    def display_name(self, path: str, index: int | None) -> str:
        """Return the ``displayName`` of a Task instance; empty if it is not known."""
        return self._display_names.get((path, index), "")

    def params(self, state: TaskState, task: Task | None) -> Named:
        """Return the params of a Task instance, including the params of its matrix combination."""
        head, slash, _ = state.path.rpartition("/")
        scope = self._scopes[head + slash]
        own = {} if task is None else {param.name: _evaluated(param.value, scope) for param in task.params}
        return tuple({**own, **dict(state.params)}.items())

    def _add_scopes(self, pipeline: Pipeline, prefix: str, values: dict[Path, Value]) -> None:
        """Add the scopes of a Pipeline and of the Pipelines inside it. The paths of its Tasks begin with `prefix`."""
        values |= _variables(pipeline)
        values |= dict(self._values_of_tasks(pipeline, prefix))
        scope = self._scopes[prefix] = Scope(values, budget=self._budget)
        for task in pipeline.all_tasks:
            if task.pipeline is not None:
                params: dict[Path, Value] = {
                    ("params", param.name): _evaluated(param.value, scope) for param in task.params
                }
                defaults: dict[Path, Value] = {("params", param.name): param.value for param in task.pipeline.params}
                self._add_scopes(task.pipeline, f"{prefix}{task.name}/", {**defaults, **params})

    def _values_of_tasks(self, pipeline: Pipeline, prefix: str) -> Iterator[tuple[Path, Value]]:
        """Yield what a Task may refer to of other Tasks: their Results and statuses."""
        failed = False
        for task in pipeline.tasks:
            status = self._statuses.get(prefix + task.name, "None")
            is_reused = task.left_out is not None and task.left_out.reused
            execution_status = "Succeeded" if is_reused else _EXECUTION_STATUSES.get(status, "Failed")
            failed = failed or execution_status == "Failed"
            yield ("tasks", task.name, "status"), execution_status
            for name, value in self._joined_results(task, prefix + task.name):
                yield ("tasks", task.name, "results", name), value
        yield ("tasks", "status"), "Failed" if failed else "Succeeded"

    def _joined_results(self, task: Task, path: str) -> Iterator[tuple[str, Value]]:
        """Yield the Results of a Task; a Result of a matrix is an array with an element for each combination."""
        if task.left_out is not None:
            yield from ((result.name, result.value) for result in task.left_out.results)
            return
        if task.matrix is None:
            yield from self.results(path, None)
            return
        joined: dict[str, list[str]] = {}
        for (other, index), results in self._results.items():
            if other == path and index is not None:
                for name, value in results:
                    joined.setdefault(name, []).append(str(value))
        yield from ((name, tuple(values)) for name, values in joined.items())


def results_of(status: Mapping[str, Any]) -> Named:
    """Return the Results in a status of Tekton's shape."""
    return tuple((result["name"], _value(result["value"])) for result in status.get("results", ()))


def _value(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value


def _variables(pipeline: Pipeline) -> dict[Path, Value]:
    return {parse_path(key): text for key, text in pipeline.variables}


def _task_results(
    status: Mapping[str, Any], pipeline: Pipeline, prefix: str = ""
) -> Iterator[tuple[tuple[str, int | None], Named]]:
    """Yield the Results of each Task instance by its path and index, from a PipelineRun's or TaskRun's status."""
    tasks = {task.name: task for task in pipeline.all_tasks}
    if "taskRuns" not in status and not prefix:  # a TaskRun
        yield (next(iter(tasks)), None), results_of(status)
    for instance, _, run in _task_runs(status, tasks, prefix):
        yield instance, results_of(run["status"])
    for run in status.get("pipelineRuns", {}).values():
        task = tasks[run["pipelineTaskName"]]
        yield (prefix + task.name, None), results_of(run["status"])
        if task.pipeline is not None:
            yield from _task_results(run["status"], task.pipeline, f"{prefix}{task.name}/")


def _display_names(
    status: Mapping[str, Any], pipeline: Pipeline, prefix: str = ""
) -> Iterator[tuple[tuple[str, int | None], str]]:
    """Yield the ``displayName`` of each Task instance by its path and index, from a PipelineRun's status."""
    tasks = {task.name: task for task in pipeline.all_tasks}
    names = {child["name"]: child.get("displayName", "") for child in status.get("childReferences", ())}
    for instance, name, _ in _task_runs(status, tasks, prefix):
        yield instance, names.get(name, "")
    for run in status.get("pipelineRuns", {}).values():
        task = tasks[run["pipelineTaskName"]]
        if task.pipeline is not None:
            yield from _display_names(run["status"], task.pipeline, f"{prefix}{task.name}/")


def _task_runs(
    status: Mapping[str, Any], tasks: Mapping[str, Task], prefix: str
) -> Iterator[tuple[tuple[str, int | None], str, Any]]:
    """Yield the path and index, the name and the status of each TaskRun of a Pipeline."""
    counts: dict[str, int] = {}
    for name, run in status.get("taskRuns", {}).items():
        task = run["pipelineTaskName"]
        counts[task] = counts.get(task, -1) + 1
        yield (prefix + task, counts[task] if tasks[task].matrix is not None else None), name, run


def _evaluated(template: Value, scope: Scope) -> Value:
    try:
        return evaluate(template, scope)
    except EvaluationError:
        return template
