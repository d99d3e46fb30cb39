"""When-expressions: the guards of PipelineTasks and Steps.

Left to others: the syntax of CEL (``cel_syntax``), evaluating guards (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.references import Names, check
from monopod.compiler.tasks.cel_syntax import syntax_error, unquoted_reference
from monopod.schemas import plan
from monopod.schemas.tekton.params import WhenExpression


def when_expressions(
    expressions: Sequence[WhenExpression], names: Names, place: Place, problems: list[Problem]
) -> tuple[plan.WhenExpression, ...]:
    """Return guards for the Plan."""
    for index, each in enumerate(expressions):
        at = place.at(index)
        problems.extend(check(each.input, "element", names, at.at("input")))
        problems.extend(check(each.cel, "text", names, at.at("cel")))
        if each.cel and (message := syntax_error(each.cel)) is not None:
            problems.append(at.at("cel").problem("invalid-value", message))
        elif (message := unquoted_reference(each.cel)) is not None:
            problems.append(at.at("cel").problem("unquoted-cel", message, "warning"))
        for number, text in enumerate(each.values):
            problems.extend(check(text, "element", names, at.at("values", number)))
    return tuple(plan.WhenExpression(each.input, each.operator or "in", each.values, each.cel) for each in expressions)
