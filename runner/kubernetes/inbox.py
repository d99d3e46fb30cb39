"""Where threads leave what they have found out, for the one that follows the Pod. It can be selected on like a file."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 256
"""How much is in it before those who can wait do so."""


class Inbox(Generic[T]):
    """A queue with a descriptor that is readable as long as something is in it."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._changed = threading.Condition()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._bell

    def put(self, item: T) -> None:
        """Leave something. May be called by any thread, and after `close`, when nobody will take it."""
        with self._changed:
            self._put(item)

    def put_patiently(self, item: T) -> None:
        """The same, once there is room: for threads that would otherwise fill the memory."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < MOST or self._bell < 0)
            self._put(item)

    def _put(self, item: T) -> None:
        if self._bell >= 0:
            self._items.append(item)
            os.eventfd_write(self._bell, 1)

    def take(self, timeout: float | None) -> list[T]:
        """Return all that is there, waiting `timeout` seconds at most for it (None: for ever)."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.poll(None if timeout is None else timeout * 1000)
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return []
        with self._changed:
            taken = list(self._items)
            self._items.clear()
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Close the descriptor; nobody waits any more."""
        with self._changed:
            descriptor, self._bell = self._bell, -1
            os.close(descriptor)
            self._changed.notify_all()
