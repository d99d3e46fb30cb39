"""CEL in when-expressions (Tekton docs/pipelines.md, "Use CEL expression in WhenExpression").

Rules: `common-expression-language` does the work; it is imported by those who evaluate an expression, not at start. An
expression has no variables: its references were replaced by their values before. Whatever the library raises is an
EvaluationError, and as short as a message should be, however long the expression is.

Of that package only the extension module is loaded. The package itself imports a command line of its own, with what
that needs, which takes longer than all else here and which the runtime image does not hold.

Left to others: expressions that take too much time, memory or stack (``cel_process``).
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

from monopod.schemas.variables import EvaluationError

_NAME = "cel.cel"
_LONGEST = 200
"""How many characters of an expression, and of what is wrong with it, a message has at most."""


@cache
def extension() -> ModuleType:
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
    cel = extension()
    try:
        value = cel.evaluate(expression)
    except MemoryError as error:
        raise too_large(expression) from error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust's is no Exception
        raise EvaluationError(f"{named(expression)}: {_in_words(error, expression)}") from error
    if not isinstance(value, bool):
        raise EvaluationError(f"{named(expression)} gives {_short(repr(value))}, which is not a truth value")
    return value


def named(expression: str) -> str:
    """Return how messages call an expression."""
    return f"CEL expression {_short(repr(expression))}"


def too_large(expression: str) -> EvaluationError:
    """Return the error of an expression for which there is not enough memory."""
    return EvaluationError(f"{named(expression)} needs too much memory")


def _in_words(error: BaseException, expression: str) -> str:
    """Return what is wrong, without the expression, which the library repeats."""
    text = str(error).removeprefix(f"Failed to parse expression '{expression}': ")
    if isinstance(error, KeyError):
        text = f"no such key: {text}"
    return _short(next(iter(text.splitlines()), type(error).__name__))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
