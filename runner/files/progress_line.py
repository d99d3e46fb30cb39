"""Shows on a terminal how far a copy of files is, in one line that is removed at the end."""

from __future__ import annotations

import time
from typing import TextIO

from monopod.runner.files.sizes import format_size

_REDRAW_SECONDS = 0.2


def format_progress(what: str, length: int, total: int = 0) -> str:
    """Return how far a copy is, in one line. `total` is 0 if it is not known."""
    if not total:
        return f"{what}: {format_size(length)}"
    percent = min(99, length * 100 // total)  # the total is about right
    return f"{what}: {format_size(length)} of about {format_size(total)} ({percent}%)"


class ProgressLine:
    """A line on a terminal, as a context manager. On any other stream it shows nothing."""

    def __init__(self, stream: TextIO, what: str, total: int = 0) -> None:
        self._stream = stream
        self._what = what
        self._total = total
        self._is_shown = False
        self._drawn = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def report(self, length: int) -> None:
        """Show that so many bytes are copied, but not too often."""
        now = time.monotonic()
        if not self._stream.isatty() or now < self._drawn + _REDRAW_SECONDS:
            return
        self._drawn, self._is_shown = now, True
        self._stream.write(f"\r\x1b[K{format_progress(self._what, length, self._total)}")
        self._stream.flush()
