"""Shows on a terminal how far a copy of files is, in one line that is removed at the end."""

from __future__ import annotations

import time
from typing import TextIO

from monopod.schemas.formats.sizes import format_size

_REDRAW_SECONDS = 0.2


def format_progress(what: str, length: int, total: int = 0) -> str:
    """Return how far a copy is, in one line. `total` is 0 if it is not known."""
    if not total:
        return f"{what}: {format_size(length)}"
    percent = min(99, length * 100 // total)  # the total is about right
    return f"{what}: {format_size(length)} of about {format_size(total)} ({percent}%)"


class ProgressLine:
    """A line on a terminal, as a context manager. On any other stream it shows nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = False
        self._drawn = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Show a text, but not too often."""
        now = time.monotonic()
        if not self._stream.isatty() or now < self._drawn + _REDRAW_SECONDS:
            return
        self._drawn, self._is_shown = now, True
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._is_shown:
            self._is_shown = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()
