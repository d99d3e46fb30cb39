"""Variables: what the texts at a place may refer to, and how values replace the references in fields of the Pod.

The Pod is made before the run starts, so each value in it must be known when compiling.

Left to others: which fields these are (``steps``, ``workspaces``, ``pod_template``); whether a reference is valid
(``references``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from monopod.compiler.diagnostics import Problem, Report
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.params import value_if_known
from monopod.compiler.scope.references import Names, Use, check
from monopod.compiler.scope.step_params import as_written
from monopod.schemas.variables import Path, Scope, references

KNOWN_TOO_LATE: Final = "known-too-late"
"""The rule for values that the Pod needs and that are known only while it runs."""

_LATE = (
    "is known only while running, but this is part of the Pod, which is made before; "
    "use a param of the run, or a fixed value"
)
_OF_CONTEXT = {
    "name": (
        "is known only when the Pod gets its name, but this is part of the Pod; give the run a name instead of a "
        "generateName, or start it with monopod run, which makes the name first; in volumeMounts, subPathExpr: $(RUN) "
        "works with an env RUN from fieldRef metadata.name"
    ),
    "namespace": (
        "is known only when the Pod is created, but this is part of the Pod; give the namespace with --namespace, or "
        "in the metadata of the run"
    ),
}
"""Why a variable of ``context`` is not known, by its last word."""

T = TypeVar("T")


def is_resolved(text: str, values: Scope) -> bool:
    """Return whether all references in `text` can be replaced by known values."""
    return "$(" not in text or isinstance(value_if_known(text, values), str)


@dataclass(frozen=True, slots=True)
class Variables:
    """The names and known values that texts at a place may use, and the report for their problems."""

    names: Names
    values: Scope
    report: Report

    def check(self, text: str, place: Place, use: Use = "text") -> None:
        """Report what is wrong with the references in a text."""
        self.report.extend(check(text, use, self.names, place))

    def resolve(self, field: T, place: Place) -> T:
        """Return a field with values instead of references, in its texts at any depth.

        A text that refers to a value known only while running is reported once. A reference that is unknown, or whose
        target is already reported, is not changed.
        """
        result: Any = field
        if isinstance(field, str):
            result = self._resolve_text(field, place) if "$(" in field else field
        elif isinstance(field, dict):
            result = {key: self.resolve(value, place.at(key)) for key, value in field.items()}
        elif isinstance(field, list):
            result = [self.resolve(item, place.at(index)) for index, item in enumerate(field)]
        return result  # type: ignore[no-any-return]

    def _resolve_text(self, text: str, place: Place) -> str:
        value = value_if_known(text, self.values)
        if isinstance(value, str):
            return value
        all_references = list(references(text))
        late = [reference for reference in all_references if self.values.get(reference.path) is None]
        shapes = [self.names.shape(reference.path) for reference in all_references]
        if late and all(shape is not None and not shape.unresolved for shape in shapes):
            message = f"{as_written(late[0].text)} {_why_late(late[0].path)}"
            self.report.add(place.problem(KNOWN_TOO_LATE, message))
        return text


def without_value(text: str, place: Place, report: Report) -> Iterator[Problem]:
    """Yield a problem for a reference without a value, unless the report has an error that explains it."""
    if report.has_errors:
        return
    late = next(references(text))
    if late.path[0] == "params":
        message = f"{late.text} has no value, so what this means is not known; give it with -p {late.path[1]}=…"
        yield place.problem("missing-param", message)
    else:
        yield place.problem("unknown-reference", f"{late.text} cannot be used here; write the value")


def _why_late(path: Path) -> str:
    return _OF_CONTEXT.get(path[-1], _LATE) if path[0] == "context" else _LATE
