"""Whether the when-expressions of a Task or Step let it run (Tekton docs/pipelines.md, "Guard Task execution …").

Rules: all expressions must hold. They are evaluated in order, up to the first that is false. ``in`` and ``notin``
compare strings; an element of ``values`` that is a whole-array reference stands for its elements, an ``input`` that is
one for the JSON of the array, as Go writes it.

Pure: the truth of a CEL expression comes from outside, as the answer to an ``EvaluateCel`` command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from monopod.schemas.plan import WhenExpression
from monopod.schemas.variables import Scope, only_reference, substitute, substitute_all

_ESCAPED_BY_GO = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


class Guards:
    """The when-expressions of one Task or Step, as far as they are evaluated.

    ``evaluated`` are the expressions with all references replaced.
    """

    def __init__(self, expressions: Sequence[WhenExpression], scope: Scope) -> None:
        """Begin with the evaluation. Raises EvaluationError as `substitute` does."""
        self.expressions = expressions
        self.evaluated = tuple(_without_references(expression, scope) for expression in expressions)
        self.problem = ""
        """Why an expression has no truth."""
        self._position = 0
        self._is_false = False
        self._evaluate()

    @property
    def unanswered(self) -> str:
        """The CEL expression whose truth decides what comes next; empty if there is none."""
        return "" if self._is_over() else self.evaluated[self._position].cel

    @property
    def false(self) -> tuple[WhenExpression, WhenExpression] | None:
        """The expression that is false, as written and as evaluated, or None."""
        return (self.expressions[self._position], self.evaluated[self._position]) if self._is_false else None

    def answer(self, *, truth: bool, problem: str) -> None:
        """Take the truth of the unanswered expression, or the reason why it has none, and continue."""
        self.problem = problem
        self._take(truth=truth)
        self._evaluate()

    def _evaluate(self) -> None:
        while not (self._is_over() or self.evaluated[self._position].cel):
            expression = self.evaluated[self._position]
            self._take(truth=(expression.input in expression.values) == (expression.operator == "in"))

    def _take(self, *, truth: bool) -> None:
        if truth:
            self._position += 1
        else:
            self._is_false = True

    def _is_over(self) -> bool:
        return self._is_false or self._position == len(self.evaluated)


def _without_references(expression: WhenExpression, scope: Scope) -> WhenExpression:
    return WhenExpression(
        input=_input(expression.input, scope),
        operator=expression.operator,
        values=substitute_all(expression.values, scope),
        cel=substitute(expression.cel, scope),
    )


def _input(text: str, scope: Scope) -> str:
    """Return the input with its references replaced. Raises EvaluationError as `substitute` does."""
    texts = substitute_all((text,), scope)
    if not _is_array(text, scope):
        return texts[0]
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED_BY_GO)


def _is_array(text: str, scope: Scope) -> bool:
    reference = only_reference(text)
    return reference is not None and isinstance(scope.resolve(reference), tuple)
