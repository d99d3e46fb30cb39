"""The annotations that say how a Task is retried and when its matrix ends, beyond what Tekton has fields for.

- ``monopod.dev/retry-delay``: a duration, from the end of a failed attempt to the start of the next one.
- ``monopod.dev/fail-fast``: with ``true``, the first combination of a matrix that fails for good stops the others.
- ``monopod.dev/completion``: with ``any``, the first combination of a matrix that succeeds stops the others.

Rules: the annotations of a taskRunSpec (of a TaskRun: its own) take precedence over those of a taskSpec, or of the Task
that is referred to. They describe only the object that has them, so the Pod does not get them.

Left to others: what they mean while running (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations, Setting, parse_boolean, read
from monopod.compiler.documents.own_annotations import COMPLETION, FAIL_FAST, RETRY_DELAY
from monopod.schemas import plan
from monopod.schemas.formats import duration

Completion: TypeAlias = Literal["all", "any"]

T = TypeVar("T")


class TaskPolicies:
    """The policies of one PipelineTask, from the objects that have annotations for it, in order of precedence."""

    def __init__(self, sources: Sequence[Annotations], report: Report) -> None:
        self._sources = sources
        self._report = report

    def retry_delay(self, retries: int) -> float:
        """Return the delay before a further attempt, in seconds."""
        delay = self._read(RETRY_DELAY, duration.parse)
        if delay is None:
            return 0.0
        if not retries:
            self._note_no_effect(delay, "the Task has no retries")
            return 0.0
        return delay.value

    def matrix(self, matrix: plan.Matrix | None) -> plan.Matrix | None:
        """Return the matrix of the Task with the policies for it."""
        fail_fast, completion = self._read(FAIL_FAST, parse_boolean), self._read(COMPLETION, _completion)
        if matrix is None:
            for each in (fail_fast, completion):
                if each is not None:
                    self._note_no_effect(each, "the Task has no matrix")
            return None
        if fail_fast is not None and fail_fast.value and completion is not None and completion.value == "any":
            message = f"cannot be combined with {COMPLETION}: any, which continues after a failure; use one of the two"
            self._report.add(fail_fast.place.problem("annotation", message))
        return matrix._replace(
            fail_fast=fail_fast is not None and fail_fast.value,
            completion="all" if completion is None else completion.value,
        )

    def _note_no_effect(self, policy: Setting[Any], why: str) -> None:
        if not policy.is_general:
            self._report.add(policy.place.problem("no-effect", f"{why}, so this has no effect", "warning"))

    def _read(self, name: str, parse: Callable[[str], T]) -> Setting[T] | None:
        return read(name, self._sources, parse, self._report)


def _completion(text: str) -> Completion:
    if text not in {"all", "any"}:
        raise ValueError(f"expected 'all' or 'any', got '{text}'")
    return "any" if text == "any" else "all"
