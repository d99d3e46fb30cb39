"""The annotation of a run that says how long a container may take to start.

Rules: ``monopod.dev/start-timeout`` is a duration; 0 means no limit. Without it, the Plan's default applies. The
run's own takes precedence over its Pipeline's or Task's.

Left to others: what a Task does when a container is late (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations, read
from monopod.compiler.documents.own_annotations import START_TIMEOUT
from monopod.compiler.pod.workload import MAX_SECONDS
from monopod.schemas.formats import duration
from monopod.schemas.plan import Plan

_DEFAULT: float = Plan._field_defaults["container_start_timeout"]


def start_timeout(sources: Sequence[Annotations], report: Report) -> float:
    """Return how long a container may take to start, in seconds; what is wrong is added to the report."""
    own = read(START_TIMEOUT, sources, duration.parse, report, "invalid-value")
    if own is None:
        return _DEFAULT
    return min(own.value or float(MAX_SECONDS), float(MAX_SECONDS))
