"""Values of options that a function parses, also from a variable of the environment that is the option's default."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def argument(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return `parse`, which raises ValueError, as the type of an argument: argparse reports its errors."""

    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def variable(name: str, text: str, parse: Callable[[str], _T]) -> _T:
    """Return what `parse` makes of the text of a variable of the environment. Raises Problems."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help

    try:
        return parse(text)
    except ValueError as error:
        raise Problems([Problem(None, f"{name}: {error}", "invalid-value")]) from error
