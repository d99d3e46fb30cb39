"""A time limit for a whole exchange with a server.

A socket's timeout covers the time between two bytes. It does not end an exchange with a server that sends one byte per
second, and it covers neither name lookups nor chains of redirects. So the exchange runs in its own thread, which is
abandoned at the deadline and ends with the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def deadline_after(seconds: float) -> float:
    """Return the deadline in this many seconds."""
    return time.monotonic() + seconds


def call_before(deadline: float, function: Callable[[], _Result]) -> _Result:
    """Call the function. Raises what it raises, and TimeoutError at the deadline."""
    results: list[_Result] = []
    ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001  # it is raised in the thread that waits
            ends.put(error)
        else:
            ends.put(None)

    threading.Thread(target=run, name="exchange", daemon=True).start()
    try:
        error = ends.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return results[0]
