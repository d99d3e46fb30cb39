"""The texts in a model, and the references in them.

Left to others: what a reference means (``references``).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from monopod.schemas.variables import Path, references


def texts(value: Any) -> list[str]:
    """Return all texts that are set in a model, at any depth, in order."""
    collected: list[str] = []
    _collect(value, collected)
    return collected


def _collect(value: Any, collected: list[str]) -> None:
    if isinstance(value, str):
        collected.append(value)
    elif isinstance(value, BaseModel):
        fields_set = value.model_fields_set
        for name, item in value.__dict__.items():
            if name in fields_set:
                _collect(item, collected)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, collected)
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, collected)


def paths_in(value: Any) -> frozenset[Path]:
    """Return the paths that the texts in a model refer to."""
    return frozenset(reference.path for text in texts(value) if "$(" in text for reference in references(text))
