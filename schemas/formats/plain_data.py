"""Checking plain data, such as parsed JSON, against the type hints of a record (a dataclass or named tuple).

Rules:

- The type hints of `run_events` and of the records of runs are supported; any other is a TypeError.
- True is not a number. Numbers are finite and, as seconds since the epoch, not after the year 9999.
- Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, Literal, TypeVar

T = TypeVar("T")

_LATEST = 253_402_300_799
_GREATEST = 2**53


def made_from(kind: type[T], fields: dict[str, Any]) -> T:
    """Return a record with these fields. Raises TypeError if one is missing, unknown or of another type."""
    made = kind(**fields)
    for name, hint in _hints(kind).items():  # type: ignore[arg-type]  # a class is hashable
        value = getattr(made, name)
        if not fits(value, hint):
            raise TypeError(f"{name} is {value!r:.80}")
    return made


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value matches a type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is dict:
        return isinstance(value, dict) and all(fits(held, arguments[1]) for held in value.values())
    if origin is list:
        return isinstance(value, list) and all(fits(held, arguments[0]) for held in value)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(held, arguments[0]) for held in value)
    return _fits_simply(value, hint)


def _fits_simply(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LATEST
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _GREATEST
    if hint in (str, bool, type(None)):
        return isinstance(value, hint)
    raise TypeError(f"unsupported type hint: {hint}")
