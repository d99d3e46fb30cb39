"""Settling: putting values into what must stand in the Pod itself, where nothing can be put in while running.

Left to others: which fields these are (``steps``, ``workspaces``, ``volumes``); that their references mean something
(``references``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.params import value_if_known
from monopod.compiler.scope.references import Names
from monopod.compiler.scope.step_params import as_written
from monopod.schemas.variables import Path, Scope, references

KNOWN_TOO_LATE: Final = "known-too-late"
"""The rule of problems about what a Pod cannot hold because it is known only while running."""

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


def is_settled(text: str, values: Scope) -> bool:
    """Return whether all that `text` refers to is known, and a text comes of it."""
    return "$(" not in text or isinstance(value_if_known(text, values), str)


def settle(field: T, values: Scope, names: Names, place: Place, problems: list[Problem]) -> T:
    """Return a field, its texts at any depth with values in place of references.

    What refers to something that is known only while running is a problem, told once for each text. References that
    mean nothing, or something that was reported already, are left alone.
    """
    result: Any = field
    if isinstance(field, str):
        result = _settle_text(field, values, names, place, problems) if "$(" in field else field
    elif isinstance(field, dict):
        result = {key: settle(each, values, names, place.at(key), problems) for key, each in field.items()}
    elif isinstance(field, list):
        result = [settle(each, values, names, place.at(index), problems) for index, each in enumerate(field)]
    return result  # type: ignore[no-any-return]


def without_value(text: str, place: Place, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield that what a text refers to has no value, unless an error has said so: what it names cannot be found."""
    if not any(problem.severity == "error" for problem in problems):
        late = next(references(text))
        message = f"{late.text} has no value, so what this means is not known; give it with -p {late.path[1]}=…"
        yield place.problem("missing-param", message)


def _settle_text(text: str, values: Scope, names: Names, place: Place, problems: list[Problem]) -> str:
    value = value_if_known(text, values)
    if isinstance(value, str):
        return value
    found = list(references(text))
    late = [each for each in found if values.get(each.path) is None]
    shapes = [names.shape(each.path) for each in found]
    if late and all(shape is not None and not shape.reported for shape in shapes):
        message = f"{as_written(late[0].text)} {_why_late(late[0].path)}"
        problems.append(place.problem(KNOWN_TOO_LATE, message))
    return text


def _why_late(path: Path) -> str:
    return _OF_CONTEXT.get(path[-1], _LATE) if path[0] == "context" else _LATE
