"""CEL in when-expressions (Tekton docs/pipelines.md, "Use CEL expression in WhenExpression").

Rules: `common-expression-language` does the work; it is imported by those who evaluate an expression, not at start. An
expression has no variables: its references were replaced by their values before.
"""

from __future__ import annotations

from monopod.schemas.variables import EvaluationError


def evaluate(expression: str) -> bool:
    """Return the truth of a CEL expression. Raises EvaluationError if it is not CEL, or not a truth value."""
    import cel  # noqa: PLC0415

    try:
        value = cel.evaluate(expression)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        raise EvaluationError(f"CEL expression {expression!r}: {str(error).splitlines()[0]}") from error
    if not isinstance(value, bool):
        raise EvaluationError(f"CEL expression {expression!r} gives {value!r}, which is not a truth value")
    return value
