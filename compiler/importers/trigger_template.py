"""Tekton Triggers' TriggerTemplate: the objects that it makes, with values instead of its params.

Rules (tektoncd/triggers docs/triggertemplates.md):

- ``$(tt.params.NAME)`` in a text is the value from ``-p NAME=VALUE``, or the default. Without either it is an error.
- ``$(uid)`` is the same for the same file and values, so that the same input gives the same Pod.
- The objects keep their shape, so their parts keep the positions in the file.

Left to others: what the objects are (``documents``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.documents.plain_texts import replace_texts
from monopod.compiler.documents.validation import Complaint, validate
from monopod.schemas.foreign.triggers import TriggerTemplate
from monopod.schemas.model import Path

_VARIABLE = re.compile(r"\$\(tt\.params\.([^()]*)\)|\$\(uid\)")
_UID_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """The objects of a template, the names of its params, and what is wrong with it."""

    objects: tuple[dict[str, Any], ...] = ()
    params: frozenset[str] = frozenset()
    complaints: tuple[Complaint, ...] = ()


def fill_in(document: dict[str, Any], given: Mapping[str, str]) -> Filled:
    """Return the objects of a TriggerTemplate with these values of its params."""
    template, complaints = validate(TriggerTemplate, document)
    if template is None:
        return Filled(complaints=tuple(complaints))
    values: dict[str, str] = {}
    missing: list[Complaint] = []
    for index, param in enumerate(template.spec.params):
        value = given.get(param.name, param.default)
        if value is None:
            message = f"the TriggerTemplate needs the param '{param.name}'; give it with -p {param.name}=…"
            missing.append(Complaint(("spec", "params", index), message, "missing-param"))
        values[param.name] = value or ""
    filling = _Filling(values, _uid(document, values))
    objects = tuple(
        filling.fill(resource, ("spec", "resourcetemplates", index))
        for index, resource in enumerate(template.spec.resourcetemplates)
    )
    return Filled(objects, frozenset(values), (*missing, *filling.complaints))


def _uid(document: dict[str, Any], values: Mapping[str, str]) -> str:
    content = json.dumps([document, dict(values)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:_UID_LENGTH]


class _Filling:
    """Replaces the variables of one template; collects what is wrong in `complaints`."""

    def __init__(self, values: Mapping[str, str], uid: str) -> None:
        self._values = values
        self._uid = uid
        self.complaints: list[Complaint] = []

    def fill(self, value: Any, path: Path) -> Any:
        return replace_texts(value, path, self._text)

    def _text(self, text: str, path: Path) -> str:
        return _VARIABLE.sub(lambda match: self._value(match, path), text)

    def _value(self, match: re.Match[str], path: Path) -> str:
        name = match[1]
        if name is None:
            return self._uid
        if name not in self._values:
            message = f"the TriggerTemplate has no param '{name}'{did_you_mean(name, self._values)}"
            self.complaints.append(Complaint(path, message, "unknown-reference"))
        return self._values.get(name, "")
