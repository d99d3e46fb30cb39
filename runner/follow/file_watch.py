"""Waits for files to grow, or for files of a directory to appear or grow, with one inotify instance (inotify(7)).

Python's standard library does not wrap inotify; two system calls are enough here. If the user has no inotify instance
left (128 by default) or no watch left (``fs.inotify.max_user_watches``), the files are polled twenty times a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterable

_IN_MODIFY, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x80, 0x100
_LOOK_SECONDS = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Has a `fileno` for select and poll: it is readable when a path has, or may have, changed since `clear`.

    A directory has changed if a file in it has appeared or grown.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._ticker: _Ticker | None = None
        instance = _watching(paths)
        if instance is None:
            self._ticker = _Ticker()
            instance = self._ticker.reader
        self._descriptor = instance

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def clear(self) -> None:
        """Forget past changes; the caller reads all files next."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._descriptor, 65536):
                pass

    def close(self) -> None:
        """Stop watching."""
        if self._ticker is not None:
            self._ticker.stop()
        os.close(self._descriptor)


def _watching(paths: Iterable[str]) -> int | None:
    """Return an inotify instance that watches the files, None if the kernel refuses the instance or a watch."""
    instance: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if instance < 0:
        return None
    for path in paths:
        if _libc.inotify_add_watch(instance, os.fsencode(path), _IN_MODIFY | _IN_MOVED_TO | _IN_CREATE) < 0:
            os.close(instance)
            return None
    return instance


class _Ticker:
    """Makes a pipe readable at regular intervals. The caller closes ``reader``."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"x")

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        os.close(self._writer)
