"""The names of the combinations of matrices that are known before a run starts: all their values are in the files.

Left to others: naming the combinations of a matrix whose values a Task writes while running (`schemas.run_events`,
`MatrixExpanded`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monopod.schemas.matrix import TooManyCombinationsError, combinations
from monopod.schemas.matrix_names import combination_names
from monopod.schemas.plan import Matrix, Plan, Value
from monopod.schemas.variables import EvaluationError, Path, Scope, evaluate


def known_combinations(plans: Iterable[Plan]) -> dict[str, list[str]]:
    """Return the names of combinations by the path of their Task, without Pipelines in Pipelines."""
    names_by_task: dict[str, list[str]] = {}
    for plan in plans:
        values: dict[Path, Value] = {("params", param.name): param.value for param in plan.pipeline.params}
        for task in plan.pipeline.all_tasks:
            names = None if task.matrix is None else names_known(task.matrix, Scope(values))
            if names is not None:
                names_by_task.setdefault(task.name, []).extend(names)
    return names_by_task


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


def _texts(values: Mapping[str, Value]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else "$(" for name, value in values.items()}
