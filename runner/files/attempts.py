"""How often a copy of files is attempted.

Rules: after a broken connection the copy continues. It fails if several attempts in a row bring nothing new. A copy
whose files changed begins again, a few times.
"""

from __future__ import annotations

import threading

from monopod.system.files.file_transfer import BrokenError
from monopod.system.files.tree_reading import ChangedError

MOST_WITHOUT_PROGRESS = 5
MOST_CHANGES = 3
_LONGEST_WAIT = 5.0


class CopyError(Exception):
    """Files cannot be copied. The text says why, and what to do."""


class Attempts:
    """Counts the attempts of one copy. ``first_wait`` is the pause after the first that brings nothing, in seconds."""

    def __init__(self, most_without_progress: int = MOST_WITHOUT_PROGRESS, first_wait: float = 0.5) -> None:
        self._most = most_without_progress
        self._first_wait = first_wait
        self._failed = self._changes = 0
        self._had = 0
        self._pause = threading.Event()

    def broken(self, error: BrokenError, had: int) -> None:
        """Wait before the next attempt; `had` segments were copied so far. Raises CopyError if it was the last."""
        self._failed = 0 if had > self._had else self._failed + 1
        self._had = had
        if self._failed >= self._most:
            raise CopyError(f"gave up after {self._failed} attempts without progress: {error}") from error
        self._pause.wait(min(self._first_wait * 2**self._failed, _LONGEST_WAIT) if self._failed else 0)

    def changed(self, error: ChangedError) -> None:
        """Take that the copy begins again. Raises CopyError if the files keep changing."""
        self._changes += 1
        self._had = 0
        if self._changes >= MOST_CHANGES:
            raise CopyError(f"the files keep changing while they are copied: {error}") from error

    def give_up(self) -> None:
        """End the current pause, and all further pauses."""
        self._pause.set()
