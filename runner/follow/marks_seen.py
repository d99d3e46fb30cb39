"""Which possible marks a container's output has shown so far: the evidence that it was read up to a mark. Pure.

A mark may be split between two pieces of the stream. Of a Step that floods its output with forged marks only the latest
are remembered, since the true mark follows all of them.
"""

from __future__ import annotations

from collections import deque

from monopod.runner.follow.output_marks import LENGTH, possible_marks

_MOST_REMEMBERED = 1000


class MarksSeen:
    """The possible marks in a stream, the latest `_MOST_REMEMBERED` of them."""

    def __init__(self) -> None:
        self._marks: deque[bytes] = deque(maxlen=_MOST_REMEMBERED)
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        self._marks += possible_marks(self._tail + data[: LENGTH - 1])
        self._marks += possible_marks(data)
        self._tail = (self._tail + data[1 - LENGTH :])[1 - LENGTH :]

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._marks
