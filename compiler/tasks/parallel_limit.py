"""How many TaskRuns of a run may run at the same time: ``--max-parallel``, or ``monopod.dev/max-parallel``.

Rules: the option takes precedence over the annotation of the run, and that over the annotation of its Pipeline.

Left to others: who runs first (``coordinator.engine.places``), and what it means for requests (``pod.peak_requests``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations, parse_limit, read
from monopod.compiler.documents.own_annotations import MAX_PARALLEL


def max_parallel(sources: Sequence[Annotations], option: int | None, report: Report) -> int | None:
    """Return the limit, None without one. A wrong annotation is added to the report."""
    own = read(MAX_PARALLEL, sources, parse_limit, report)
    if option is not None:
        return option
    return None if own is None else own.value
