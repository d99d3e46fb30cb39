"""The values of an attempt: the params of its Task and its Steps, and the Results of its Steps. Pure.

Left to others: the values of a Pipeline (``engine``), and when Results are read (``attempts``).
"""

from __future__ import annotations

from functools import partial

from monopod.coordinator.engine.artifacts import merged
from monopod.coordinator.engine.events import ResultsRead
from monopod.coordinator.engine.run_state import AttemptState, InstanceState, StepState
from monopod.coordinator.engine.step_files import parse_written_artifacts, parse_written_results, step_result_path
from monopod.schemas.plan import Step, Task, Value
from monopod.schemas.variables import Path, Scope, evaluate, parse_path, references_in


def add_params(instance: InstanceState, values: dict[Path, Value]) -> None:
    """Evaluate the Task's params in the Pipeline's scope. Those of the matrix combination override them."""
    context = {path: value for path, value in values.items() if path[0] == "context"}
    scope = Scope(context, instance.task.pipeline.scope)
    for param in instance.task.plan.params:
        if param.name not in instance.params:
            values["params", param.name] = evaluate(param.value, scope)
    for name, value in instance.params.items():
        values["params", name] = value


def step_scope(step: Step, attempt: AttemptState) -> Scope:
    """Return the scope of a Step: the attempt's, with the params and variables of the Step. Raises EvaluationError."""
    if not step.params and not step.variables:
        return attempt.scope
    values: dict[Path, Value] = {parse_path(key): text for key, text in step.variables}
    for param in step.params:
        values["step", "params", param.name] = evaluate(param.value, attempt.scope)
    return Scope(values, attempt.scope)


def take_step_results(attempt: AttemptState, step: StepState, event: ResultsRead, problems: list[str]) -> None:
    """Let later Steps refer to what a Step has written. Adds what is wrong with it to `problems`."""
    step.results = parse_written_results(step.plan.results, partial(step_result_path, step.plan), event, problems)
    for name, value in step.results.items():
        attempt.values["steps", step.plan.name, "results", name] = value
    step.artifacts = merged(parse_written_artifacts(step.plan, event, problems))
    for direction, name, text in step.artifacts.values():
        attempt.values["steps", step.plan.name, direction, name] = text


def results_of_steps(plan: Task, attempt: AttemptState) -> dict[str, Value]:
    """Return the Results of a Task that come from its Steps, except those whose Step Results are missing."""
    return {
        each.name: evaluate(each.value, attempt.scope)
        for each in plan.results
        if each.value is not None
        and all(attempt.scope.get(reference.path) is not None for reference in references_in(each.value))
    }
