"""Named points in time. Pure: the caller passes the time."""

from __future__ import annotations


class Timers:
    """Timers that have been set and are not due yet. Times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._due_at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._due_at

    def set(self, name: str, at: float) -> None:
        """Set a timer, or set it again."""
        self._due_at[name] = at

    def cancel(self, name: str) -> None:
        """Cancel a timer, if it is set."""
        self._due_at.pop(name, None)

    def next_at(self) -> float | None:
        """Return when the next timer is due; None if none is set."""
        return min(self._due_at.values(), default=None)

    def pop_due(self, now: float) -> str | None:
        """Remove the earliest timer that is due and return its name; None if none is due."""
        name = min(self._due_at, key=self._due_at.__getitem__, default=None)
        if name is None or self._due_at[name] > now:
            return None
        del self._due_at[name]
        return name
