"""Points in time as RFC 3339 writes them, as everything in Kubernetes does: ``2026-03-01T09:30:00Z``.

Here they are seconds since the epoch. Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import time
from functools import lru_cache


def to_rfc3339(seconds: float) -> str:
    """Return a time in UTC, in whole seconds."""
    return f"{_second(int(seconds))}Z"


def to_rfc3339_milliseconds(seconds: float) -> str:
    """Return a time in UTC, to the millisecond: ``2026-03-01T09:30:00.250Z``."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


def from_rfc3339(text: str) -> float:
    """Return the time that a text says. Raises ValueError."""
    from datetime import datetime  # noqa: PLC0415  # the coordinator parses none

    return datetime.fromisoformat(text).timestamp()


@lru_cache(maxsize=2)  # lines of output come in the order of time
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
