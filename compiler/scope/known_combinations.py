"""The names of the combinations of matrices that are known before a run starts: all their values are in the files.

Left to others: naming the combinations of a matrix whose values a Task writes while running (`schemas.run_events`,
`MatrixExpanded`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monopod.schemas.matrix import TooManyCombinationsError, combinations
from monopod.schemas.matrix_names import combination_names
from monopod.schemas.plan import Matrix, Pipeline, Plan, Value
from monopod.schemas.variables import EvaluationError, Reference, Scope, evaluate, only_reference


def known_combinations(plans: Iterable[Plan]) -> dict[str, list[str]]:
    """Return the names of combinations by the path of their Task, without Pipelines in Pipelines."""
    names_by_task: dict[str, list[str]] = {}
    for plan in plans:
        scope = known_values(plan.pipeline)
        for task in plan.pipeline.all_tasks:
            names = None if task.matrix is None else names_known(task.matrix, scope)
            if names is not None:
                names_by_task.setdefault(task.name, []).extend(names)
    return names_by_task


def known_values(pipeline: Pipeline) -> Scope:
    """Return the values of the params of a run's own Pipeline."""
    return Scope({("params", param.name): param.value for param in pipeline.params})


def names_known(matrix: Matrix, scope: Scope) -> list[str] | None:
    """Return the names of the combinations of a matrix, with values from `scope`; None if they are not known yet."""
    try:
        params = {param.name: evaluate(param.value, scope) for param in matrix.params}
        entries = [
            (entry.name, {param.name: evaluate(param.value, scope) for param in entry.params})
            for entry in matrix.include
        ]
    except EvaluationError:
        return None
    arrays = {name: value for name, value in params.items() if isinstance(value, tuple)}
    included = [(name, _texts(values)) for name, values in entries]
    texts = [text for values in (*arrays.values(), *(entry.values() for _, entry in included)) for text in values]
    if len(arrays) < len(params) or any("$(" in text for text in texts):
        return None
    try:
        return combination_names(combinations(arrays, included))
    except TooManyCombinationsError:
        return None


def may_be_empty(matrix: Matrix, scope: Scope) -> bool:
    """Return whether a matrix may have no combination, judging by the values in `scope`. Its Task is then skipped."""
    if not matrix.params:
        return not matrix.include
    return not all(_has_elements(param.value, scope) for param in matrix.params)


def _has_elements(value: Value, scope: Scope) -> bool:
    """Return whether an array certainly has an element: any other text than a reference that may be an empty array."""
    try:
        known = evaluate(value, scope)
    except EvaluationError:
        return False
    return isinstance(known, tuple) and any(not _may_be_array(only_reference(text)) for text in known)


def _may_be_array(reference: Reference | None) -> bool:
    return reference is not None and not isinstance(reference.index, int)


def _texts(values: Mapping[str, Value]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else "$(" for name, value in values.items()}
