"""A limit on the time that a whole exchange with a server takes, whatever the server does.

A socket's own timeout counts from one byte to the next, so it never ends an exchange with a server that sends a byte
each second. Nor does it count the lookup of a name, or a chain of redirects. So the exchange runs in a thread of its
own, which is abandoned when the time is over, and ends with the process at the latest.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def deadline_after(seconds: float) -> float:
    """Return the point in time that comes after so many seconds."""
    return time.monotonic() + seconds


def call_before(deadline: float, function: Callable[[], _Result]) -> _Result:
    """Return what the function returns, or raise what it raises. Raises TimeoutError when the deadline has come."""
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
