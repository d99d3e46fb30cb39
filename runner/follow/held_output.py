"""Bytes that cannot be shown yet, in the order in which they came: a little in memory, the rest on the disk.

A Step can write as much as it wants before it is known whose output that is, or faster than it is shown, and a terminal
can be slower than both. None of that may fill the memory of this process.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass

MOST_IN_MEMORY = 1024 * 1024
SEGMENT_BYTES = 64 * 1024 * 1024
"""The size of a file, which is removed once it is read."""
_PIECE = 256 * 1024
_SMALL = 4096
"""Pieces smaller than this are joined, since each costs memory of its own."""
_ON_DISK = "/var/tmp"  # noqa: S108  # unlike /tmp, it is never memory; the files have no name


@dataclass(slots=True)
class _Segment:
    """A file without a name, with the number of bytes written and read."""

    file: int
    written: int = 0
    read: int = 0


class HeldOutput:
    """A queue of bytes. Owns files from the moment it needs one until they are read, or until `close`."""

    def __init__(self, directory: str = _ON_DISK) -> None:
        """`directory` is where the files are; if it cannot be written to, where temporary files usually are."""
        self._directory = directory
        self._first: deque[bytes] = deque()
        self._size = 0  # of those
        self._segments: deque[_Segment] = deque()  # what comes after them
        self._on_disk = 0  # bytes in there
        self._last: deque[bytes] = deque()  # what comes after those, because the disk is full
        self.overflow = 0
        """How many bytes are in memory because the disk is full."""

    def __len__(self) -> int:
        return self._size + self._on_disk + self.overflow

    def append(self, data: bytes) -> None:
        """Add bytes to the end. Raises OSError if the disk takes no more; then nothing was added."""
        if not data:
            return
        if self._last:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not self._segments and self._size + len(data) <= MOST_IN_MEMORY:
            self._size += len(data)
            self._first.append(self._first.pop() + data if self._first and len(self._first[-1]) < _SMALL else data)
            return
        if not self._segments or self._segments[-1].written >= SEGMENT_BYTES:
            self._segments.append(_Segment(_unnamed_file(self._directory)))
        segment, done = self._segments[-1], 0
        try:
            while done < len(data):
                done += os.pwrite(segment.file, memoryview(data)[done:], segment.written + done)
        except OSError:
            if not segment.written:
                os.close(self._segments.pop().file)
            raise
        segment.written += done
        self._on_disk += done

    def append_in_memory(self, data: bytes) -> None:
        """Add bytes to the end although the disk takes no more."""
        self._last.append(data)
        self.overflow += len(data)

    def push_back(self, data: bytes) -> None:
        """Put bytes that `take` returned, and that cannot be used yet, back at the front."""
        if data:
            self._first.appendleft(data)
            self._size += len(data)

    def take(self, at_least: int) -> bytes:
        """Return the first bytes: `at_least` that number, or all if there are fewer."""
        taken: list[bytes] = []
        size = 0
        while size < at_least and len(self):
            if not self._first and self._segments:
                self._refill()
            elif not self._first:
                self._first, self._last = self._last, self._first
                self._size, self.overflow = self.overflow, 0
            taken.append(self._first.popleft())
            size += len(taken[-1])
            self._size -= len(taken[-1])
        return b"".join(taken)

    def close(self) -> None:
        """Forget all."""
        self._first.clear()
        while self._segments:
            os.close(self._segments.popleft().file)
        self._last.clear()
        self._size = self._on_disk = self.overflow = 0

    def _refill(self) -> None:
        segment = self._segments[0]
        data = os.pread(segment.file, min(_PIECE, segment.written - segment.read), segment.read)
        segment.read += len(data)
        self._on_disk -= len(data)
        self._first.append(data)
        self._size += len(data)
        if segment.read == segment.written:
            os.close(self._segments.popleft().file)


def _unnamed_file(directory: str) -> int:
    import tempfile  # noqa: PLC0415  # nearly no run needs it

    with tempfile.TemporaryFile(dir=directory if os.access(directory, os.W_OK) else None) as file:
        return os.dup(file.fileno())
