"""Kubernetes' Quantity: an exact number with a unit, such as ``500m``, ``1.5Gi`` or ``2e3``.

Rules (Kubernetes API, resource.Quantity): arithmetic is exact, values are rounded away from zero to a multiple of 10⁻⁹,
and each value has one canonical form in each of the three families of units.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

Family: TypeAlias = Literal["binary", "decimal", "exponent"]
"""The families of units: ``Ki Mi …``, ``m k M …``, or ``e3``."""

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NUMBER = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,3}|)", re.ASCII)
_SMALLEST = Fraction(1, 10**9)


def parse(text: str) -> Fraction:
    """Return the value of a Quantity. Raises ValueError if it is invalid."""
    return _parse(text)[0]


def millis(text: str) -> int:
    """Return the value in thousandths, rounded up, as CPU is counted."""
    return math.ceil(parse(text) * 1000)


def family(text: str) -> Family:
    """Return the family of units of a Quantity. Raises ValueError if it is invalid."""
    return _parse(text)[1]


def canonical(value: Fraction | int, units: Family = "decimal") -> str:
    """Return the value as Kubernetes writes it: without a fraction, in the largest possible unit.

    A binary Quantity below 1024 or with a fraction is written in decimal units, as Kubernetes does.
    """
    nanos = _round_up(Fraction(value))
    if nanos == 0:
        return "0"
    if units == "binary" and (nanos.denominator != 1 or abs(nanos) < 1024):
        units = "decimal"
    if units == "binary":
        return _binary(int(nanos))
    return _decimal(nanos, units)


@lru_cache(1024)
def _parse(text: str) -> tuple[Fraction, Family]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write a number with an optional unit, such as 500m, 2 or 1.5Gi")
    sign, digits, unit = match.groups()
    number = Fraction(digits)
    units: Family = "decimal"
    if unit in _BINARY:
        number, units = number * _BINARY[unit], "binary"
    elif unit in _DECIMAL_EXPONENTS:
        number *= Fraction(10) ** _DECIMAL_EXPONENTS[unit]
    else:
        number, units = number * Fraction(10) ** int(unit[1:]), "exponent"
    return _round_up(-number if sign == "-" else number), units


def _round_up(value: Fraction) -> Fraction:
    """Round away from zero to a multiple of the smallest value."""
    steps = math.ceil(abs(value) / _SMALLEST)
    return steps * _SMALLEST if value >= 0 else -steps * _SMALLEST


def _binary(value: int) -> str:
    unit = ""
    for name, factor in _BINARY.items():
        if value % factor == 0:
            unit = name
    return f"{value // _BINARY.get(unit, 1)}{unit}"


def _decimal(value: Fraction, units: Family) -> str:
    unit = max(
        (name for name, exponent in _DECIMAL_EXPONENTS.items() if (value / Fraction(10) ** exponent).denominator == 1),
        key=lambda name: _DECIMAL_EXPONENTS[name],
    )
    exponent = _DECIMAL_EXPONENTS[unit]
    number = value / Fraction(10) ** exponent
    if units == "exponent":
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{unit}"


def _to_text(value: Any) -> str:
    """Accept a number as its text, as the Kubernetes API does; refuse an invalid Quantity."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("expected a quantity such as 500m, 2 or 1.5Gi")
    parse(value)
    return value


Quantity: TypeAlias = Annotated[
    str, BeforeValidator(_to_text), WithJsonSchema({"type": ["string", "number"], "examples": ["500m", "1.5Gi"]})
]
"""The type of a field with a Quantity: its text as written, validated. A plain number becomes text."""
