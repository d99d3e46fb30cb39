"""Compares named tuples with their classes: two of different classes that hold the same are equal by themselves."""

from __future__ import annotations

from collections.abc import Iterable


def typed(records: Iterable[object]) -> list[tuple[type, object]]:
    """Return each record with its class."""
    return [(type(each), each) for each in records]
