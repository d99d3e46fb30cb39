"""The journal: the events of a run so far, so that a coordinator that was killed can continue where it left off.

Rules:

- One line per event, in one ``write(2)``, before anything follows from the event. A kill can truncate the last line,
  which is then ignored.
- No fsync: the journal must survive the coordinator, not the node, since the Pod does not survive the node either.
- The journal is locked while the coordinator is alive: two coordinators would run every Step twice.
- A directory that is not writable is an error at the start: a coordinator without a journal must not hold the locks
  that make entrypoints wait for it.

Standard library only. Left to others: what follows from the events (``shell``).
"""

from __future__ import annotations

import fcntl
import os

from monopod.coordinator.engine.events import Event, event_from_line, event_to_line
from monopod.system.write_all import write_all

_ROOM = 16 * 1024


class JournalError(Exception):
    """The journal cannot be used; the message says why."""


class Journal:
    """A journal, open and locked until `close`."""

    def __init__(self, path: str) -> None:
        """Open the journal, created if it is missing. Raises JournalError if another coordinator has it, OSError."""
        self._path = path
        _check_room(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise JournalError(f"{path}: another coordinator is running this Pod") from error

    def close(self) -> None:
        """Close the journal, which releases the lock."""
        os.close(self._descriptor)

    def replay(self) -> list[Event]:
        """Return all events so far, and truncate an unfinished last line. Raises JournalError, OSError."""
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
        """Append an event. Raises OSError."""
        _write(self._descriptor, f"{event_to_line(event)}\n".encode(), self._path)


def _check_room(path: str) -> None:
    """Raise OSError unless a few events can be written beside `path`."""
    other = f"{path}.room"
    descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write(descriptor, bytes(_ROOM), path)
    finally:
        os.close(descriptor)
        os.unlink(other)


def _write(descriptor: int, content: bytes, path: str) -> None:
    """Write everything. Raises OSError with `path`."""
    try:
        write_all(descriptor, content)
    except OSError as error:
        error.filename = path
        raise
