"""The texts in a model, and the references in them.

Left to others: what a reference means (``references``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from monopod.schemas.variables import Path, Reference, references

_LISTS = (tuple, list)


def texts(value: Any) -> list[str]:
    """Return all texts that are set in a model, at any depth, in order."""
    collected: list[str] = []
    _collect((value,), collected)
    return collected


def _collect(value: Any, collected: list[str]) -> None:
    """Add the texts in a value that is not a text itself."""
    items: Iterable[Any]
    if isinstance(value, BaseModel):
        fields_set = value.model_fields_set
        items = [item for name, item in value.__dict__.items() if name in fields_set]
    elif isinstance(value, dict):
        items = value.values()
    elif isinstance(value, _LISTS):
        items = value
    else:
        return
    for item in items:
        if isinstance(item, str):
            collected.append(item)
        else:
            _collect(item, collected)


def references_of(value: Any) -> list[Reference]:
    """Return the references in all texts that are set in a model, in order."""
    return [reference for text in texts(value) if "$(" in text for reference in references(text)]


def paths_in(value: Any) -> frozenset[Path]:
    """Return the paths that the texts in a model refer to."""
    return frozenset(reference.path for reference in references_of(value))
