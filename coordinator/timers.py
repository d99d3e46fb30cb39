"""Named timers, ordered by time. Times are comparable numbers; setting a timer takes O(log n)."""

from __future__ import annotations

from heapq import heappop, heappush


class Timers:
    """The timers that are set. A timer of the same name is replaced."""

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
        """Clear a timer, if it is set."""
        self._serials.pop(name, None)

    def next_at(self) -> float | None:
        """Return the time of the earliest timer."""
        while self._heap and self._serials.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> str | None:
        """Remove the earliest timer if it is due, and return its name."""
        at = self.next_at()
        if at is None or at > now:
            return None
        name = heappop(self._heap)[2]
        del self._serials[name]
        return name
