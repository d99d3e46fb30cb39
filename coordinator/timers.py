"""Timers with names, ordered by time. Times are numbers that only have to be comparable; setting takes O(log n)."""

from __future__ import annotations

from heapq import heappop, heappush


class Timers:
    """What is to happen when. A timer of the same name replaces the earlier one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._serials: dict[str, int] = {}
        self._serial = 0

    def set(self, name: str, at: float) -> None:
        """Set a timer."""
        self._serial += 1
        self._serials[name] = self._serial
        heappush(self._heap, (at, self._serial, name))

    def clear(self, name: str) -> None:
        """Forget a timer, if there is one of that name."""
        self._serials.pop(name, None)

    def next_at(self) -> float | None:
        """Return the time of the earliest timer."""
        while self._heap and self._serials.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> str | None:
        """Take out the earliest timer if its time has come, and return its name."""
        at = self.next_at()
        if at is None or at > now:
            return None
        name = heappop(self._heap)[2]
        del self._serials[name]
        return name
