"""Compares named tuples with their classes, since equal fields make tuples of different classes equal."""

from __future__ import annotations

from collections.abc import Iterable


def typed(records: Iterable[object]) -> list[tuple[type, object]]:
    """Return each record with its class."""
    return [(type(each), each) for each in records]
