"""The params of a StepAction are renamed in a Plan: ``$(params.x)`` becomes ``$(step.params.x)``.

Rules (Tekton docs/stepactions.md; pkg/reconciler/taskrun/resources/taskspec.go):

- A StepAction sees its own params. The fields of the Step beside its ``ref`` (``when``, ``onError``, the values of its
  params …) and the stepTemplate see the Task's.
- All these fields become one Step, so a name must mean the same thing in each field.

Left to others: merging the fields (``resolved_steps``), the values (``params``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from monopod.compiler.scope.params import BoundParams
from monopod.compiler.scope.variables_in_scope import variable_name
from monopod.schemas.variables import Path, references

OWN = "step"
"""The word before ``params``; authors have no variable ``step.params``."""

T = TypeVar("T")
V = TypeVar("V")

_RENAMED = re.compile(rf"\$\({OWN}\.params\b")


def renamed(field: T) -> T:
    """Return a field of a StepAction, with references to its params renamed at any depth."""
    result: Any = field
    if isinstance(field, str):
        result = _renamed_text(field) if "$(" in field else field
    elif isinstance(field, dict):
        result = {key: renamed(value) for key, value in field.items()}
    elif isinstance(field, list):
        result = [renamed(item) for item in field]
    return result  # type: ignore[no-any-return]


def renamed_bound(bound: BoundParams) -> BoundParams:
    """Return a StepAction's params under their new name."""
    return replace(bound, shapes=_renamed_keys(bound.shapes), known=_renamed_keys(bound.known))


def as_written(reference: str) -> str:
    """Return a reference as it is written in the StepAction."""
    return _RENAMED.sub("$(params", reference)


def _renamed_keys(values: Mapping[Path, V]) -> dict[Path, V]:
    return {(OWN, *path): value for path, value in values.items()}


def _renamed_text(text: str) -> str:
    for reference in set(references(text)):
        if reference.path[0] == "params":
            index = "" if reference.index is None else f"[{reference.index}]"
            text = text.replace(reference.text, f"$({variable_name((OWN, *reference.path))}{index})")
    return text
