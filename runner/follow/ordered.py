"""What is known of a run in the order in which it is shown: output whose owner is known, and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from monopod.schemas.run_events import RunEvent, SidecarStarted, StepStarted

Start: TypeAlias = StepStarted | SidecarStarted
"""An event that starts a request in a container."""


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a container wrote, in the request that began last. If ``late`` is not None, it began with that."""

    container: str
    data: bytes
    late: Start | None = None
    stream: str = "stdout"


Ordered: TypeAlias = Output | RunEvent
