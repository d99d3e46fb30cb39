"""CEL in when-expressions (Tekton docs/pipelines.md, "Use CEL expression in WhenExpression").

Rules: `common-expression-language` evaluates; it is imported on the first evaluation. An expression has no variables:
references have been replaced by their values. Any error of the library becomes an EvaluationError with a short message,
however long the expression is.

Only the extension module of that package is loaded. The package itself imports its own command line, which is slow and
whose dependencies an image may not contain. It may be among the image's own libraries, although the coordinator runs
without them (``-S``).

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
"""The most characters of an expression, and of its error, in a message."""


@cache
def extension() -> ModuleType:
    """Return the extension module. Raises EvaluationError if there is none for this Python."""
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    import site  # noqa: PLC0415  # hardly any Pipeline has CEL

    package = PathFinder.find_spec("cel", [*sys.path, *site.getsitepackages()])
    found = PathFinder.find_spec(_NAME, package.submodule_search_locations) if package is not None else None
    if found is None or found.loader is None:
        raise EvaluationError("the image of the coordinator has no CEL for its Python; see docs/runtime-image.md")
    try:
        module = module_from_spec(found)
        found.loader.exec_module(module)
    except ImportError as error:
        raise EvaluationError(f"the CEL of the coordinator's image does not fit its Python: {error}") from error
    sys.modules[_NAME] = module
    return module


def evaluate(expression: str) -> bool:
    """Return the value of a boolean CEL expression. Raises EvaluationError if it is invalid or not boolean."""
    cel = extension()
    try:
        value = cel.evaluate(expression)
    except MemoryError as error:
        raise too_large(expression) from error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in Rust is not an Exception
        raise EvaluationError(f"{named(expression)}: {_describe(error, expression)}") from error
    if not isinstance(value, bool):
        raise EvaluationError(f"{named(expression)} gives {_short(repr(value))}, which is not a truth value")
    return value


def named(expression: str) -> str:
    """Return an expression as messages name it."""
    return f"CEL expression {_short(repr(expression))}"


def too_large(expression: str) -> EvaluationError:
    """Return the error of an expression that ran out of memory."""
    return EvaluationError(f"{named(expression)} needs too much memory")


def _describe(error: BaseException, expression: str) -> str:
    """Return the error without the expression, which the library repeats."""
    text = str(error).removeprefix(f"Failed to parse expression '{expression}': ")
    if isinstance(error, KeyError):
        text = f"no such key: {text}"
    return _short(next(iter(text.splitlines()), type(error).__name__))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
