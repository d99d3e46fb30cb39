"""The annotations of a Task that say what monopod does beside its Steps, and where each is written.

Rules: an embedded Task has them in the metadata of its taskSpec, any other Task in its own metadata. They describe only
the object that has them, so the Pod does not get them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.documents.catalog import Definition
from monopod.compiler.documents.places import Place
from monopod.schemas.tekton.pipelines import EmbeddedTask
from monopod.schemas.tekton.tasks import TaskSpec

CACHE = "monopod.dev/cache"
CACHE_STORE = "monopod.dev/cache-store"
DIGEST = "monopod.dev/digest"
VIEWS = "monopod.dev/views"
OF_TASKS = frozenset({CACHE, CACHE_STORE, DIGEST, VIEWS})
"""The annotations of Tasks, some also of runs and Pipelines."""


@dataclass(frozen=True, slots=True)
class TaskAnnotations:
    """The annotations of a Task, and where its metadata is written."""

    values: Mapping[str, str]
    metadata: Place

    @classmethod
    def of(cls, definition: Definition[TaskSpec]) -> TaskAnnotations:
        """Return the annotations of a Task."""
        metadata = definition.spec.metadata if isinstance(definition.spec, EmbeddedTask) else definition.metadata
        return cls({} if metadata is None else metadata.annotations, definition.metadata_place)

    @classmethod
    def of_document(cls, definition: Definition[Any]) -> TaskAnnotations:
        """Return the annotations of a Pipeline or Task that is a document; none of one that is embedded."""
        metadata = definition.metadata
        return cls({} if metadata is None else metadata.annotations, definition.metadata_place)

    def place(self, name: str) -> Place:
        """Return where an annotation is written."""
        return self.metadata.at("annotations", name)

    def listed(self, name: str) -> Iterator[str]:
        """Yield the elements of an annotation."""
        yield from listed(self.values, name)


def listed(annotations: Mapping[str, str], name: str) -> Iterator[str]:
    """Yield the elements of an annotation, which are separated by commas."""
    if name in annotations:
        yield from (element.strip() for element in annotations[name].split(","))
