"""Bytes that cannot be shown yet, in the order in which they came: a little in memory, the rest on the disk.

A Step can write as much as it wants before it is known whose output that is. It must neither fill the memory of this
process with it, nor wait.
"""

from __future__ import annotations

import os
from collections import deque

MOST_IN_MEMORY = 256 * 1024
_PIECE = 256 * 1024
_ON_DISK = "/var/tmp"  # noqa: S108  # unlike /tmp, it is never memory; the file has no name


class HeldOutput:
    """A queue of bytes. Owns a file from the moment it needs one until `close`, or until it is empty."""

    def __init__(self) -> None:
        self._first: deque[bytes] = deque()
        self._size = 0  # of those
        self._file = -1  # what comes after them
        self._read = self._written = 0

    def __len__(self) -> int:
        return self._size + self._written - self._read

    def append(self, data: bytes) -> None:
        """Add bytes to the end. Raises OSError if the disk takes no more; then nothing was added."""
        if self._file < 0 and self._size + len(data) <= MOST_IN_MEMORY:
            self._first.append(data)
            self._size += len(data)
            return
        if self._file < 0:
            self._file = _unnamed_file()
        start = self._written
        while start < self._written + len(data):
            start += os.pwrite(self._file, memoryview(data)[start - self._written :], start)
        self._written = start

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
            if not self._first:
                self._refill()
            taken.append(self._first.popleft())
            size += len(taken[-1])
            self._size -= len(taken[-1])
        return b"".join(taken)

    def close(self) -> None:
        """Forget all."""
        self._first.clear()
        self._size = 0
        self._close_file()

    def _refill(self) -> None:
        data = os.pread(self._file, min(_PIECE, self._written - self._read), self._read)
        self._read += len(data)
        self._first.append(data)
        self._size += len(data)
        if self._read == self._written:
            self._close_file()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._read, self._written = -1, 0, 0


def _unnamed_file() -> int:
    import tempfile  # noqa: PLC0415  # nearly no run needs it

    directory = _ON_DISK if os.access(_ON_DISK, os.W_OK) else None
    with tempfile.TemporaryFile(dir=directory) as file:
        return os.dup(file.fileno())
