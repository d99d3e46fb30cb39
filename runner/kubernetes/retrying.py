"""Making a request again that the API server does not carry out now.

Rules: only an answer that passes (``answers``) is a reason to try again, and so is a command that failed: the
coordinator may be about to start. The server says how long to wait (Retry-After), or the waits grow. A request that
creates something is only made again if the server said that it did nothing: one whose answer was lost may have been
carried out. All other requests may be carried out twice: the coordinator ignores a signal that cancels the run as it
is being cancelled already, and a container is reported dead only once.
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
    """Make a request until it is answered, or not any more. Raises its last error."""
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
