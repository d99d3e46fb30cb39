"""Waiting for files to grow, with one inotify instance (inotify(7)).

Python's standard library has no inotify, and what is needed of it is two system calls. Where no instance is to be had
(there are 128 for a user by default) the files are looked at twenty times a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading

_IN_MODIFY = 0x2
_LOOK_SECONDS = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Can be selected on: readable when a file has changed, or may have, since `clear`."""

    def __init__(self) -> None:
        self._instance: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._ticker = _Ticker() if self._instance < 0 else None

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._instance if self._ticker is None else self._ticker.reader

    def add(self, path: str) -> None:
        """Watch a file. Raises OSError if it cannot be watched."""
        if self._ticker is None and _libc.inotify_add_watch(self._instance, os.fsencode(path), _IN_MODIFY) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)

    def clear(self) -> None:
        """Take note that all files are going to be looked at."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fileno(), 65536):
                pass

    def close(self) -> None:
        """Stop watching."""
        if self._ticker is not None:
            self._ticker.close()
        else:
            os.close(self._instance)


class _Ticker:
    """Makes a pipe readable at regular times."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"x")

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        os.close(self.reader)
        os.close(self._writer)
