"""Retries requests that the API server cannot carry out now.

Rules: a request is retried only after a temporary error (``answers``), or if a command in a container failed: the
coordinator may be about to start. The server's Retry-After sets the delay; otherwise the delays grow. A request that
creates something is retried only if the server reported that it did nothing: if the answer was lost, the object may
exist. All other requests may be carried out twice: the coordinator ignores a second signal to cancel the run, and a
container is reported dead only once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import CommandFailedError, UnreachableError

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0


def patiently(request: Request, make: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
    """Make a request, and retry it for `patience` seconds. Raises its last error."""
    pause, wait = threading.Event(), FIRST_WAIT
    last = time.monotonic() + patience
    while True:
        try:
            return make()
        except (ApiError, UnreachableError, CommandFailedError) as error:
            seconds = max(wait, getattr(error, "retry_after", None) or 0.0)
            if not _may_be_made_again(request, error) or time.monotonic() + seconds > last:
                raise
        pause.wait(seconds)
        wait = min(wait * 2, LONGEST_WAIT)


def _may_be_made_again(request: Request, error: Exception) -> bool:
    if request is Request.CREATE:
        return isinstance(error, ApiError) and about(request, error) is About.THROTTLED
    return not isinstance(error, ApiError) or about(request, error).passes
