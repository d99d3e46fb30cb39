"""The log of one container on this machine: a file if the Pod is kept, and always its end in memory.

The runner passes output on as it reads it, and the display records it. So without ``--keep`` nothing is written here.
"""

from __future__ import annotations

import os

from monopod.runner.follow.output_marks import without_marks
from monopod.system.write_all import write_all

_LAST_BYTES = 2048
"""How much of a log may become the termination message (Kubernetes API, FallbackToLogsOnError)."""


class ContainerLog:
    """A log, open for writing until `close`."""

    def __init__(self, path: str | None) -> None:
        """Create the file, if there is a `path`. Raises OSError."""
        self._file = (
            None if path is None else os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        )
        self._end = b""

    def write(self, data: bytes) -> None:
        """Append output. Raises OSError if it cannot be written completely."""
        self._end = data[-_LAST_BYTES:] if len(data) >= _LAST_BYTES else (self._end + data)[-_LAST_BYTES:]
        if self._file is not None:
            write_all(self._file, data)

    def end(self) -> str:
        """Return the last 2048 bytes of the output, without the marks of requests."""
        return without_marks(self._end).decode(errors="replace")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
