"""The annotation of a run that says how long a container may take to start.

Rules: ``monopod.dev/start-timeout`` is a duration; 0 is no limit. Without it, the Plan's default applies. The run's own
takes precedence over its Pipeline's or Task's.

Left to others: what a Task does when a container is late (``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Mapping

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.workload import MAX_SECONDS
from monopod.schemas.formats import duration
from monopod.schemas.plan import Plan

START_TIMEOUT = "monopod.dev/start-timeout"
_DEFAULT: float = Plan._field_defaults["container_start_timeout"]


def start_timeout(annotations: Mapping[str, tuple[str, Place]], report: Report) -> float:
    """Return how long a container may take to start, in seconds; what is wrong is added to the report."""
    if START_TIMEOUT not in annotations:
        return _DEFAULT
    text, place = annotations[START_TIMEOUT]
    try:
        seconds = duration.parse(text)
    except ValueError as error:
        report.add(place.problem("invalid-value", str(error)))
        return _DEFAULT
    return min(seconds, float(MAX_SECONDS)) if seconds else float(MAX_SECONDS)
