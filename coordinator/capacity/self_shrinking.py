"""Lowers the requests of the coordinator's own Pod while its run continues (``--self-shrink``, docs/capacity.md).

Rules:

- A thread looks for a change `DELAY_SECONDS` after something has ended, and requests it if it is worth that
  (``schemas.capacity.shrinking``). The coordinator never waits for it: events only go into its queue.
- The first refusal ends it, with a warning. A request that may succeed later is made `TRIES` times.
- The answer to a change shows whether the node has refused the one before.
- A change is kept in a file before it is requested, so that a restarted coordinator never raises a request. It requests
  that change again, since nobody knows whether it was made. If the file cannot be read, nothing is lowered any further.

Left to others: the request (``own_pod``), and what the Pod needs for it (``compiler.pod.api_access``).
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monopod.coordinator.capacity.own_pod import OwnPod, RefusedError
from monopod.schemas.capacity.shares import Requests, Share
from monopod.schemas.capacity.shrinking import Resize, Shrinking, node_refusal
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import CapacityGivenBack, RunEvent, RunFinished, RunWarning

if TYPE_CHECKING:
    from monopod.coordinator.shell import Listener

DELAY_SECONDS = 0.5
TRIES = 4
_FIRST_PAUSE = 0.5
_END = "the requests of the Pod are not lowered any further"


class KeptRequestsError(Exception):
    """What an earlier coordinator has kept cannot be read."""


class SelfShrinking:
    """Passes what a coordinator reports on to its `listener`, and lowers the requests of its `pod` meanwhile.

    `path` is the file that keeps the latest requests.
    """

    def __init__(self, plan: Plan, listener: Listener, pod: OwnPod, path: str) -> None:
        self._listener = listener
        self._pod = pod
        self._path = path
        self._shrinking = Shrinking(plan, plan.shrinkable)
        self._made = plan.shrinkable
        """The requests that the Pod has for sure, or had."""
        self._lock = threading.Lock()  # two threads report
        self._is_finished = False
        self._events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
        self._last: Resize | None = None
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def report(self, events: Sequence[RunEvent], *, replayed: bool) -> None:
        """Take further events. With `replayed`, an earlier coordinator has reported them already."""
        with self._lock:
            self._listener.report(events, replayed=replayed)
            self._is_finished |= any(isinstance(event, RunFinished) for event in events)
        for event in events:
            self._events.put(event)

    def _work(self) -> None:
        try:
            if (kept := _read(self._path)) is not None:
                self._shrinking.restore(kept)
            while not self._is_finished:
                if self._shrinking.take(self._events.get()):
                    time.sleep(DELAY_SECONDS)
                    while not self._events.empty():
                        self._shrinking.take(self._events.get())
                    self._lower()
        except (RefusedError, OSError, KeptRequestsError) as error:
            self._say(RunWarning(time.time(), f"{_END}: {error}"))

    def _lower(self) -> None:
        """Make the change that is worth it now, if any. Raises RefusedError, OSError."""
        if self._is_finished:
            return
        present = self._shrinking.requests
        resize = self._shrinking.next()
        if resize is not None:
            _write(self._path, resize.after)
        elif present == self._made:
            return
        wanted = present if resize is None else resize.after
        refusal = node_refusal(self._request(Resize(self._made, wanted).spec))
        self._made = wanted
        if refusal:
            if self._last is not None:
                self._say(_given_back(self._last, -1))
            raise RefusedError(refusal)
        if resize is not None:
            self._shrinking.accept(resize)
            self._last = resize
            self._say(_given_back(resize))

    def _request(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Request a change, again if it may succeed later; return the Pod. Raises RefusedError."""
        pause = _FIRST_PAUSE
        for _ in range(TRIES - 1):
            try:
                return self._pod.resize(spec)
            except RefusedError as error:
                if not error.is_temporary:
                    raise
            time.sleep(pause)
            pause *= 2
        return self._pod.resize(spec)

    def _say(self, event: RunEvent) -> None:
        with self._lock:
            if not self._is_finished:
                self._listener.report([event], replayed=False)


def _given_back(resize: Resize, sign: int = 1) -> CapacityGivenBack:
    cpu, memory = resize.given_back("cpu") / 1000, resize.given_back("memory")
    return CapacityGivenBack(time.time(), sign * cpu, sign * memory)


def _read(path: str) -> tuple[Requests, ...] | None:
    """Return the requests that an earlier coordinator has kept, if any. Raises KeptRequestsError, OSError."""
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        return tuple(Requests(*fields)._replace(shares=tuple(Share(*share) for share in fields[1])) for fields in kept)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError) as error:
        raise KeptRequestsError(f"{path} was not written to its end, so the present requests are not known") from error


def _write(path: str, requests: tuple[Requests, ...]) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(requests, file)
    os.rename(f"{path}.new", path)
