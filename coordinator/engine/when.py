"""Whether the guards of a Task or Step let it run (Tekton docs/pipelines.md, "Guard Task execution …").

Rules: all expressions must hold; ``in`` and ``notin`` compare strings; an element of ``values`` that is a whole-array
reference stands for its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from monopod.schemas.plan import WhenExpression
from monopod.schemas.variables import Scope, substitute, substitute_all

TruthOf: TypeAlias = Callable[[str], bool]
"""Returns the truth of a CEL expression. Raises EvaluationError if it has none."""


def evaluated(expressions: Iterable[WhenExpression], scope: Scope) -> tuple[WhenExpression, ...]:
    """Return the expressions with all references replaced. Raises EvaluationError as `substitute` does."""
    return tuple(
        WhenExpression(
            input=substitute(expression.input, scope),
            operator=expression.operator,
            values=substitute_all(expression.values, scope),
            cel=substitute(expression.cel, scope),
        )
        for expression in expressions
    )


def holds(expression: WhenExpression, truth_of: TruthOf) -> bool:
    """Return whether an evaluated expression is true. Raises EvaluationError as `truth_of` does, for CEL."""
    if expression.cel:
        return truth_of(expression.cel)
    return (expression.input in expression.values) == (expression.operator == "in")


def truth_here(expression: str) -> bool:
    """Return the truth of CEL, found in this process: for expressions that no Step has had a part in."""
    from monopod.schemas import cel  # noqa: PLC0415  # only plans that use CEL pay for its library

    return cel.evaluate(expression)
