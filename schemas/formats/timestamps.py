"""Points in time as RFC 3339 writes them, as everything in Kubernetes does: ``2026-11-29T03:10:00Z``.

Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import time


def to_rfc3339(seconds: float) -> str:
    """Return a time, in seconds since the epoch, in UTC and in whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def from_rfc3339(text: str) -> float:
    """Return the seconds since the epoch. Raises ValueError."""
    from datetime import datetime  # noqa: PLC0415  # the coordinator parses none

    return datetime.fromisoformat(text).timestamp()
