"""When-expressions: the guards of PipelineTasks and Steps.

Left to others: the syntax of CEL (``cel_syntax``), evaluating guards (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.references import Names, check
from monopod.compiler.tasks.cel_syntax import syntax_error, unquoted_reference
from monopod.schemas import plan
from monopod.schemas.tekton.params import WhenExpression

_RULE: Final = "no-cel"
_NO_CEL = (
    "the default image of the coordinator has no CEL; use --runtime-image with an image that has it, see "
    "docs/runtime-image.md"
)


def check_guards(
    expressions: Sequence[WhenExpression], names: Names, place: Place, *, has_cel: bool
) -> Iterator[Problem]:
    """Yield what is wrong with the guards at `place`. `has_cel`: the coordinator may be able to evaluate CEL."""
    for index, when in enumerate(expressions):
        at = place.at(index)
        yield from check(when.input, "element", names, at.at("input"))
        yield from check(when.cel, "text", names, at.at("cel"))
        if when.cel and (message := syntax_error(when.cel)) is not None:
            yield at.at("cel").problem("invalid-value", message)
        elif when.cel:
            yield from _in_valid_cel(when.cel, at.at("cel"), has_cel=has_cel)
        for number, text in enumerate(when.values):
            yield from check(text, "element", names, at.at("values", number))


def _in_valid_cel(expression: str, place: Place, *, has_cel: bool) -> Iterator[Problem]:
    if (message := unquoted_reference(expression)) is not None:
        yield place.problem("unquoted-cel", message, "warning")
    if not has_cel:
        yield place.problem(_RULE, _NO_CEL)


def one_for_missing_cel(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return the problems with one for all expressions of CEL, whose cause and way out are the same."""
    of_cel = [problem for problem in problems if problem.rule == _RULE]
    if len(of_cel) < 2:
        return tuple(problems)
    more = f"{len(of_cel) - 1} more when-expression{'s use' if len(of_cel) > 2 else ' uses'} CEL"
    first = replace(of_cel[0], message=f"{of_cel[0].message} ({more})")
    others = [problem for problem in problems if problem.rule != _RULE]
    return tuple(sorted([first, *others]))


def plan_guards(expressions: Sequence[WhenExpression]) -> tuple[plan.WhenExpression, ...]:
    """Return the guards as the Plan has them."""
    return tuple(plan.WhenExpression(when.input, when.operator or "in", when.values, when.cel) for when in expressions)
