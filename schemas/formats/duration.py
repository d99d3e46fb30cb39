"""Durations in Go's format, which Tekton uses: ``1h30m``, ``2.5s``, ``0``. Here they are seconds.

Source: Go's time.ParseDuration and Duration.String.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),  # U+00B5
    "μs": Fraction(1, 10**6),  # U+03BC: Go accepts both
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_HINT = 'write it like "1h30m", "90s" or "0"'


def parse(text: str) -> float:
    """Return a duration in seconds. Raises ValueError if it is invalid or negative."""
    if text.startswith("-") and text != "-0":
        raise ValueError(f"a duration must not be negative, got '{text}'")
    rest = text.lstrip("+-") if text[:1] in {"+", "-"} else text
    if rest == "0":
        return 0.0
    total, end = Fraction(0), 0
    while part := _PART.match(rest, end):
        total += Fraction(part[1]) * _UNITS[part[2]]
        end = part.end()
    if end == 0 or end != len(rest):
        raise ValueError(f"'{text}' is not a duration; {_HINT}")
    if total >= Fraction(2**63, 10**9):
        raise ValueError(f"the duration '{text}' is too long")
    return float(total)


def to_text(seconds: float) -> str:
    """Return a duration as Go writes it: ``1h30m0s``, ``1.5s``, ``250ms``, ``0s``."""
    nanos = round(Fraction(seconds) * 10**9)
    if nanos == 0:
        return "0s"
    if nanos < 10**9:
        unit, size = next((unit, size) for unit, size in (("ms", 10**6), ("µs", 1000), ("ns", 1)) if nanos >= size)
        return f"{_shortest(nanos, size)}{unit}"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_shortest(rest, 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def _shortest(amount: int, size: int) -> str:
    """Return amount / size without trailing zeros; size is a power of ten."""
    whole, rest = divmod(amount, size)
    digits = str(rest).zfill(len(str(size)) - 1).rstrip("0")
    return f"{whole}.{digits}" if rest else str(whole)


def _from_yaml(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(f"expected a duration in quotes; {_HINT}")
    return parse(value)


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_from_yaml),
    PlainSerializer(to_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["90s", "1h30m"]}),
]
"""The type of a field with a duration: seconds, not negative."""
