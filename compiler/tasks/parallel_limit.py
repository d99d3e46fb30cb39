"""How many TaskRuns of a run may run at the same time: ``--max-parallel``, or ``monopod.dev/max-parallel``.

Rules: the option takes precedence over the annotation of the run, and that over the annotation of its Pipeline.

Left to others: who runs first (``coordinator.engine.places``), and what it means for requests (``pod.peak_requests``).
"""

from __future__ import annotations

from collections.abc import Mapping

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.schemas.formats.whole_numbers import positive

MAX_PARALLEL = "monopod.dev/max-parallel"


def max_parallel(annotations: Mapping[str, tuple[str, Place]], option: int | None, report: Report) -> int | None:
    """Return the limit, None if there is none. A wrong annotation is added to the report."""
    if MAX_PARALLEL not in annotations:
        return option
    text, place = annotations[MAX_PARALLEL]
    own = positive(text)
    if own is None:
        report.add(place.problem("annotation", f"expected a number, 1 or more, got '{text}'"))
    return own if option is None else option
