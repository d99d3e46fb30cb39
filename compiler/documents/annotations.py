"""The annotations of an object that say what monopod does with it, and where each is written.

Rules:

- An embedded Task has them in the metadata of its taskSpec, any other Task in its own metadata.
- Of several objects that may have an annotation (a run, then its Pipeline or Task), the first that has it decides.

Left to others: which annotations there are (``own_annotations``), and what each means (the modules that read it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.catalog import Definition
from monopod.compiler.documents.places import Place
from monopod.compiler.rules import Rule
from monopod.schemas.formats.whole_numbers import positive
from monopod.schemas.tekton.pipelines import EmbeddedTask
from monopod.schemas.tekton.tasks import TaskSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations of an object, and where its metadata is written.

    `is_general`: the object is a Task that others may use too, so they need not have an effect here.
    """

    values: Mapping[str, str]
    metadata: Place
    is_general: bool = False

    @classmethod
    def of_task(cls, definition: Definition[TaskSpec]) -> Annotations:
        """Return the annotations of a Task."""
        metadata = definition.spec.metadata if isinstance(definition.spec, EmbeddedTask) else definition.metadata
        values = {} if metadata is None else metadata.annotations
        return cls(values, definition.metadata_place, is_general=not definition.embedded)

    @classmethod
    def of_document(cls, definition: Definition[Any]) -> Annotations:
        """Return the annotations of a Pipeline or Task that is a document; none of one that is embedded."""
        metadata = definition.metadata
        return cls({} if metadata is None else metadata.annotations, definition.metadata_place)

    def place(self, name: str) -> Place:
        """Return where an annotation is written."""
        return self.metadata.at("annotations", name)

    def listed(self, name: str) -> Iterator[str]:
        """Yield the elements of an annotation."""
        yield from listed(self.values, name)


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """What an annotation says, and where it is written. `is_general` is as in `Annotations`."""

    value: T
    place: Place
    is_general: bool


def owner_of(name: str, sources: Sequence[Annotations]) -> Annotations | None:
    """Return the first of these annotations that have one of this name."""
    for each in sources:
        if name in each.values:
            return each
    return None


def read(
    name: str, sources: Sequence[Annotations], parse: Callable[[str], T], report: Report, rule: Rule = "annotation"
) -> Setting[T] | None:
    """Return what the first annotation of this name says; None without one, or if it is wrong, which is reported.

    `parse` reads its text, and raises ValueError.
    """
    owner = owner_of(name, sources)
    if owner is None:
        return None
    place = owner.place(name)
    try:
        return Setting(parse(owner.values[name]), place, owner.is_general)
    except ValueError as error:
        report.add(place.problem(rule, str(error)))
        return None


def listed(annotations: Mapping[str, str], name: str) -> Iterator[str]:
    """Yield the elements of an annotation, which are separated by commas."""
    if name in annotations:
        yield from (element.strip() for element in annotations[name].split(","))


def parse_boolean(text: str) -> bool:
    """Return a boolean. Raises ValueError."""
    if text not in ("true", "false"):
        raise ValueError(f"expected 'true' or 'false', got '{text}'")
    return text == "true"


def parse_limit(text: str) -> int:
    """Return a limit. Raises ValueError."""
    limit = positive(text)
    if limit is None:
        raise ValueError(f"expected a number, 1 or more, got '{text}'")
    return limit
