"""The instances of a PipelineTask (one, or one for each combination of its matrix) and their Results. Pure.

Rules: docs/matrix.md of Tekton. A matrix with an empty array has no combination; the Results of a matrix are arrays.
A matrix may be decided before all its combinations have ended (docs/policies.md).
"""

from __future__ import annotations

from monopod.coordinator.engine.run_state import InstanceState, Outcome, TaskState
from monopod.coordinator.engine.status import task_run_name
from monopod.schemas.matrix import TooManyCombinationsError, combinations
from monopod.schemas.plan import Matrix, Plan, Value
from monopod.schemas.variables import EvaluationError, evaluate, references_in


def instances_of(task: TaskState, plan: Plan) -> list[InstanceState]:
    """Return the instances of a Task that is about to start, without slots. Raises EvaluationError."""
    matrix = task.plan.matrix
    if matrix is None:
        return [InstanceState(task, task_run_name(task, None, plan), None, {})]
    return [
        InstanceState(task, task_run_name(task, index, plan), index, combination)
        for index, combination in enumerate(_combinations(task, matrix))
    ]


def known_length(task: TaskState) -> int | None:
    """Return the number of combinations of a matrix that refers to no other Task; None if that is not known yet."""
    matrix = task.plan.matrix
    if matrix is None:
        return None
    params = (*matrix.params, *(param for each in matrix.include for param in each.params))
    if any(reference.path[0] == "tasks" for param in params for reference in references_in(param.value)):
        return None
    try:
        return len(_combinations(task, matrix))
    except EvaluationError:
        return None  # this fails the Task when it starts


def empty_arrays(task: TaskState) -> tuple[str, ...]:
    """Return the names of the params of a matrix whose array is empty. Raises EvaluationError."""
    matrix = task.plan.matrix
    params = () if matrix is None else matrix.params
    return tuple(param.name for param in params if not evaluate(param.value, task.pipeline.scope))


def _combinations(task: TaskState, matrix: Matrix) -> tuple[dict[str, str], ...]:
    scope = task.pipeline.scope
    params: dict[str, tuple[str, ...]] = {}
    for param in matrix.params:
        value = evaluate(param.value, scope)
        if not isinstance(value, tuple):
            raise EvaluationError(f"matrix param {param.name} is not an array")
        params[param.name] = value
    if any(not value for value in params.values()):
        return ()
    include = [
        (each.name, {param.name: _string(evaluate(param.value, scope)) for param in each.params})
        for each in matrix.include
    ]
    try:
        return combinations(params, include)
    except TooManyCombinationsError as error:
        raise EvaluationError(str(error)) from error


def _string(value: Value) -> str:
    if not isinstance(value, str):
        raise EvaluationError("a param of matrix.include must be a string")
    return value


def decides(instance: InstanceState) -> bool:
    """Return whether the outcome of a combination decides about its matrix, so that the others need not end."""
    matrix, outcome = instance.task.plan.matrix, instance.outcome
    if matrix is None or outcome is None or instance.cancelled:
        return False
    return matrix.completion == "any" if outcome.succeeded else matrix.fail_fast


def is_overruled(task: TaskState) -> bool:
    """Return whether the failure of a combination that has ended does not fail its Task, as far as is known."""
    matrix = task.plan.matrix
    if matrix is None or matrix.completion == "all":
        return False
    return task.decisive is not None or task.unfinished > 0


def outcome_of(task: TaskState) -> Outcome:
    """Return the outcome of a Task whose instances have all ended."""
    if task.decisive is not None:
        assert task.decisive.outcome is not None
        return task.decisive.outcome
    outcomes = [each.outcome for each in task.instances if each.outcome is not None]
    worst = next((each for each in outcomes if not each.succeeded), outcomes[-1])
    if any(each.status == "Cancelled" for each in outcomes):  # for Tekton it is cancelled then, whatever else failed
        return Outcome("Cancelled", worst.reason, worst.message)
    return worst


def publish_results(task: TaskState) -> None:
    """Make the Results and Artifacts of a Task's instances available to other Tasks and to the Pipeline's Results."""
    if task.plan.matrix is not None:
        _publish_arrays(task)
        return
    for attempt in task.instances[0].attempts[-1:]:
        for name, value in attempt.results.items():
            publish_result(task, name, value)
        for direction, name, text in attempt.artifacts.values():
            task.pipeline.values[task.root, task.plan.name, direction, name] = text


def _publish_arrays(task: TaskState) -> None:
    assert task.plan.matrix is not None
    emitting = [each for each in task.instances if each.attempts]
    if task.plan.matrix.completion == "any":
        emitting = [each for each in emitting if each.outcome is not None and each.outcome.succeeded]
    for declaration in task.plan.results:
        emitted = [each.attempt.results.get(declaration.name) for each in emitting]
        values = tuple(value for value in emitted if isinstance(value, str))
        if values:
            publish_result(task, declaration.name, values)
            length = (task.root, task.plan.name, "matrix", declaration.name, "length")
            task.pipeline.values[length] = str(len(values))


def publish_result(task: TaskState, name: str, value: Value) -> None:
    """Make a Result of a Task available to other Tasks and to the Pipeline's Results."""
    task.pipeline.values[task.root, task.plan.name, "results", name] = value
