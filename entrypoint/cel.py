"""CEL in when-expressions (Tekton docs/pipelines.md, "Use CEL expression in WhenExpression").

Rules: `common-expression-language` does the work; it is imported by those who evaluate an expression, not at start. An
expression has no variables: its references were replaced by their values before.

Of that package only the extension module is loaded. The package itself imports a command line of its own, with what
that needs, which takes longer than all else here and which the runtime image does not hold.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

from monopod.schemas.variables import EvaluationError

_NAME = "cel.cel"


@cache
def _extension() -> ModuleType:
    """Return the module that evaluates. Raises EvaluationError if there is none for this Python."""
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    package = PathFinder.find_spec("cel")
    found = PathFinder.find_spec(_NAME, package.submodule_search_locations) if package is not None else None
    if found is None or found.loader is None:
        raise EvaluationError("this runtime image holds no CEL for its Python; see docs/runtime-image.md")
    try:
        module = module_from_spec(found)
        found.loader.exec_module(module)
    except ImportError as error:
        raise EvaluationError(f"the CEL of this runtime image does not fit it: {error}") from error
    sys.modules[_NAME] = module
    return module


def evaluate(expression: str) -> bool:
    """Return the truth of a CEL expression. Raises EvaluationError if it is not CEL, or not a truth value."""
    cel = _extension()
    try:
        value = cel.evaluate(expression)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        raise EvaluationError(f"CEL expression {expression!r}: {str(error).splitlines()[0]}") from error
    if not isinstance(value, bool):
        raise EvaluationError(f"CEL expression {expression!r} gives {value!r}, which is not a truth value")
    return value
