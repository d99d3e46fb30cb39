"""What a run gave back to its cluster (docs/capacity.md): how much less its Pod requested, times how long.

A change that the node refused later counts for nothing: until then the node kept the capacity too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from monopod.schemas.run_events import CapacityGivenBack

_GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The sum of all changes: cores and GiB, each times the seconds from the change to the end of the run.

    ``changes`` counts those that were not refused.
    """

    core_seconds: float
    gibibyte_seconds: float
    changes: int


def given_back(events: Iterable[CapacityGivenBack], ended: float) -> GivenBack | None:
    """Return what a run that ended at `ended` gave back; None if it gave nothing back."""
    changes: list[CapacityGivenBack] = []
    for event in events:
        if min(event.cpu, event.memory) >= 0:
            changes.append(event)
        elif changes:
            changes.pop()  # the node has refused the latest one
    if not changes:
        return None
    lasted = [(event, max(ended - event.at, 0.0)) for event in changes]
    core_seconds = sum(event.cpu * seconds for event, seconds in lasted)
    return GivenBack(core_seconds, sum(event.memory * seconds for event, seconds in lasted) / _GIBIBYTE, len(changes))


def describe_total(given: GivenBack) -> str:
    """Describe what a run gave back."""
    amounts = f"{given.core_seconds:.1f} core-seconds and {given.gibibyte_seconds:.1f} GiB-seconds"
    return f"Gave back {amounts} of its requests, in {given.changes} change{'s' * (given.changes != 1)}"


def to_json(given: GivenBack) -> dict[str, Any]:
    """Return plain data for JSON."""
    return {
        "coreSeconds": round(given.core_seconds, 3),
        "gibibyteSeconds": round(given.gibibyte_seconds, 3),
        "changes": given.changes,
    }
