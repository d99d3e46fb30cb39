"""When-expressions: the guards of PipelineTasks and Steps.

Left to others: the syntax of CEL (``cel_syntax``), evaluating guards (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.references import Names, check
from monopod.compiler.tasks.cel_syntax import syntax_error, unquoted_reference
from monopod.schemas import plan
from monopod.schemas.tekton.params import WhenExpression


def check_guards(expressions: Sequence[WhenExpression], names: Names, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the guards at `place`."""
    for index, when in enumerate(expressions):
        at = place.at(index)
        yield from check(when.input, "element", names, at.at("input"))
        yield from check(when.cel, "text", names, at.at("cel"))
        if when.cel and (message := syntax_error(when.cel)) is not None:
            yield at.at("cel").problem("invalid-value", message)
        elif (message := unquoted_reference(when.cel)) is not None:
            yield at.at("cel").problem("unquoted-cel", message, "warning")
        for number, text in enumerate(when.values):
            yield from check(text, "element", names, at.at("values", number))


def plan_guards(expressions: Sequence[WhenExpression]) -> tuple[plan.WhenExpression, ...]:
    """Return the guards as the Plan has them."""
    return tuple(plan.WhenExpression(when.input, when.operator or "in", when.values, when.cel) for when in expressions)
