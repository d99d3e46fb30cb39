"""The texts in a model, and the references in them.

Left to others: what a reference means (``references``).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from monopod.schemas.variables import Path, references


def texts(value: Any) -> list[str]:
    """Return all texts that were given in a model, at any depth, in their order."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, BaseModel):
        given = value.model_fields_set
        for name, each in value.__dict__.items():
            if name in given:
                _collect(each, found)
    elif isinstance(value, dict):
        for each in value.values():
            _collect(each, found)
    elif isinstance(value, tuple | list):
        for each in value:
            _collect(each, found)


def paths_in(value: Any) -> frozenset[Path]:
    """Return all that the texts in a model refer to."""
    return frozenset(reference.path for text in texts(value) if "$(" in text for reference in references(text))
