"""Reads a record from its beginning to its end, also while another process is writing it.

Rules:

- Nothing is polled: inotify reports new bytes, and the kernel ends the wait for the record's lock when its writer ends,
  even if it was killed.
- A record that nobody writes is read to its end and is over.

``replay`` puts what was read in order.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import threading
from collections.abc import Iterator

from monopod.runner.follow.file_watch import FileWatch
from monopod.runner.records import store
from monopod.runner.records.replay import Replay, Replayed
from monopod.runner.records.store import Record

_PIECE = 256 * 1024


class GrowingRecord:
    """A record that is read as it grows. It can be selected on like a file. ``is_over``: nothing more will come."""

    def __init__(self, record: Record) -> None:
        self._directory = record.directory
        self._replay = Replay()
        self._poll = select.epoll()
        self._watch: FileWatch | None = None
        self._unlocked = -1
        self._has_ended = not record.is_locked
        if record.is_locked:
            self._watch = FileWatch([str(record.directory)])
            self._unlocked = _wait_for_lock(record.directory / store.LOCK_FILE)
            self._poll.register(self._watch, select.EPOLLIN)
            self._poll.register(self._unlocked, select.EPOLLIN)
        self._events = _open(record.directory / store.EVENTS_FILE)
        self._output = -1
        self._segment = -1
        self.is_over = False

    def __enter__(self) -> GrowingRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading."""
        for descriptor in (self._events, self._output, self._unlocked):
            if descriptor >= 0:
                os.close(descriptor)
        self._events = self._output = self._unlocked = -1
        self._poll.close()
        if self._watch is not None:
            self._watch.close()

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be something new."""
        return self._poll.fileno()

    def wait(self) -> None:
        """Wait until there may be something new."""
        if not self.is_over:
            self._poll.poll()

    def read(self) -> Iterator[Replayed]:
        """Yield what is new, without waiting."""
        if self.is_over:
            return
        if self._watch is not None:
            self._watch.clear()
        if self._unlocked >= 0 and select.select([self._unlocked], [], [], 0)[0]:
            self._has_ended = True  # what follows reads the last bytes
        has_ended = self._has_ended
        for data in self._new_output():
            if data is None:
                self._replay.take_gap()
            else:
                self._replay.take_output(data)
            self._take_events()
            yield from self._replay.ready()
        self._take_events()
        yield from self._replay.ready()
        if has_ended:
            yield from self._replay.rest()
            self.is_over = True

    def _take_events(self) -> None:
        for data in _pieces(self._events):
            self._replay.take_events(data)

    def _new_output(self) -> Iterator[bytes | None]:
        """Yield the new bytes of the output; None where a part was not kept."""
        while True:
            following = [number for number in self._segments() if number > self._segment]
            yield from _pieces(self._output)  # after the list was made: nothing is added to it once another exists
            if not following:
                return
            number = min(following)
            if self._segment >= 0 and number != self._segment + 1:
                yield None
            if self._output >= 0:
                os.close(self._output)
            self._segment = number
            self._output = _open(self._directory / f"{store.OUTPUT_FILE}.{number}")

    def _segments(self) -> Iterator[int]:
        """Yield the numbers of the output files. `dropped` files may be missing between the first and the others."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):
                numbered = re.fullmatch(rf"{store.OUTPUT_FILE}\.([0-9]{{1,9}})", name)
                if numbered is not None:
                    yield int(numbered[1])


def _open(path: os.PathLike[str]) -> int:
    """Return a descriptor of a file; -1 if it does not exist (any more)."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return -1


def _pieces(descriptor: int) -> Iterator[bytes]:
    while descriptor >= 0 and (data := os.read(descriptor, _PIECE)):
        yield data


def _wait_for_lock(path: os.PathLike[str]) -> int:
    """Return a descriptor that is readable once no other process holds the lock of a file."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    lock = _open(path)

    def wait() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        if lock >= 0:
            os.close(lock)  # which releases it
        os.close(writer)

    threading.Thread(target=wait, daemon=True).start()
    return reader
