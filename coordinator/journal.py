"""The journal: what happened in a run so far, so that a coordinator that was killed can go on where it was.

Rules:

- One line an entry, in one ``write(2)``, before anything follows from the entry. A kill can cut the last line short;
  such a line never happened.
- Nothing is forced to the disk: the journal has to survive the coordinator, not the node, since the Pod does not
  survive the node either.
- The journal is locked as long as the coordinator lives: two would run every Step twice.
- A directory in which nothing can be written is found out at once: a coordinator that can keep no journal must not hold
  the locks that keep entrypoints waiting for it.

Standard library only. What is left to others: what follows from the entries (``shell``).
"""

from __future__ import annotations

import fcntl
import os

from monopod.coordinator.engine.events import Event, event_from_line, event_to_line
from monopod.system.write_all import write_all

_ROOM = 16 * 1024


class JournalError(Exception):
    """The journal cannot be used, in words for a person."""


class Journal:
    """A journal, open and locked until `close`."""

    def __init__(self, path: str) -> None:
        """Open the journal, made if it is missing. Raises JournalError if another coordinator has it, OSError."""
        self._path = path
        _check_room(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise JournalError(f"{path}: another coordinator is running this Pod") from error

    def close(self) -> None:
        """Close the journal, which gives the lock back."""
        os.close(self._descriptor)

    def replay(self) -> list[Event]:
        """Return all entries so far, and cut off a last one that was not finished. Raises JournalError, OSError."""
        with open(self._path, "rb") as file:
            content = file.read()
        finished = content.rfind(b"\n") + 1
        if finished < len(content):
            os.ftruncate(self._descriptor, finished)
        entries = []
        for number, line in enumerate(content[:finished].split(b"\n")[:-1], start=1):
            try:
                entries.append(event_from_line(line.decode()))
            except ValueError as error:
                raise JournalError(f"{self._path}:{number}: {error}") from error
        return entries

    def append(self, event: Event) -> None:
        """Add an entry. Raises OSError."""
        _write(self._descriptor, f"{event_to_line(event)}\n".encode(), self._path)


def _check_room(path: str) -> None:
    """Raise OSError unless a few entries can be written beside `path`."""
    other = f"{path}.room"
    descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write(descriptor, bytes(_ROOM), path)
    finally:
        os.close(descriptor)
        os.unlink(other)


def _write(descriptor: int, content: bytes, path: str) -> None:
    """Write all of it. Raises OSError, which names `path`."""
    try:
        write_all(descriptor, content)
    except OSError as error:
        error.filename = path
        raise
