"""Prices by weight."""

from __future__ import annotations

from units.units import grams


def cents(amount: str, cents_per_kg: int) -> int:
    """Return the price of an amount, rounded to cents."""
    return round(grams(amount) * cents_per_kg / 1000)
