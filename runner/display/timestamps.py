"""Times as RFC 3339 writes them, for ``--timestamps``."""

from __future__ import annotations

import time
from functools import lru_cache


def rfc3339(seconds: float) -> str:
    """Return a time (seconds since the epoch) in UTC, to the millisecond: ``2026-03-01T09:30:00.250Z``."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=2)  # lines come in the order of time
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
