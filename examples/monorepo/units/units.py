"""Amounts with a unit."""

from __future__ import annotations

GRAMS = {"g": 1, "kg": 1000, "t": 1_000_000}


def grams(text: str) -> int:
    """Return an amount such as ``3 kg`` in grams. Raises ValueError."""
    amount, _, unit = text.partition(" ")
    if unit not in GRAMS:
        raise ValueError(f"unknown unit: {unit}")
    return int(amount) * GRAMS[unit]
