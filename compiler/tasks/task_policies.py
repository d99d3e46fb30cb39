"""The annotations that say how a Task is retried, beyond what Tekton has fields for.

- ``monopod.dev/retry-delay``: a duration, from the end of a failed attempt to the start of the next one.

Rules: the annotations of a taskRunSpec (of a TaskRun: its own) take precedence over those of a taskSpec, or of the Task
that is referred to. They describe only the object that has them, so the Pod does not get them.

Left to others: what they mean while running (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.schemas.formats import duration

RETRY_DELAY = "monopod.dev/retry-delay"
OF_POLICIES = frozenset({RETRY_DELAY})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Annotated:
    """The annotations of an object, and where its metadata is written.

    `is_general`: they are of a Task that others may use too, and need not have an effect here.
    """

    annotations: Mapping[str, str]
    metadata: Place
    is_general: bool = False


class TaskPolicies:
    """The policies of one PipelineTask, from the objects that have annotations for it, in order of precedence."""

    def __init__(self, sources: Sequence[Annotated], report: Report) -> None:
        self._sources = sources
        self._report = report

    def retry_delay(self, retries: int) -> float:
        """Return the delay before a further attempt, in seconds."""
        delay, source = self._read(RETRY_DELAY, duration.parse) or (0.0, None)
        if source is not None and not source.is_general and not retries:
            message = "the Task has no retries, so this has no effect"
            self._report.add(_place(source, RETRY_DELAY).problem("no-effect", message, "warning"))
        return delay if retries else 0.0

    def _read(self, name: str, read: Callable[[str], T]) -> tuple[T, Annotated] | None:
        """Return the value of an annotation and the object that has it. `read` raises ValueError."""
        for source in self._sources:
            if name not in source.annotations:
                continue
            try:
                return read(source.annotations[name]), source
            except ValueError as error:
                self._report.add(_place(source, name).problem("annotation", str(error)))
                return None
        return None


def _place(source: Annotated, name: str) -> Place:
    return source.metadata.at("annotations", name)
