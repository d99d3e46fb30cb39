"""The queue through which threads send messages to the thread that follows the Pod. It has a `fileno` for select."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 256
"""How many items the queue holds before `put_patiently` blocks."""


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
        """Add an item. May be called by any thread, also after `close`, when nobody takes it."""
        with self._changed:
            self._put(item)

    def put_patiently(self, item: T) -> None:
        """Add an item, blocking while the queue is full: for threads that would otherwise fill the memory."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < MOST or self._bell < 0)
            self._put(item)

    def _put(self, item: T) -> None:
        if self._bell >= 0:
            self._items.append(item)
            os.eventfd_write(self._bell, 1)

    def take(self, timeout: float | None) -> list[T]:
        """Return all items, waiting at most `timeout` seconds for the first (None: without limit)."""
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
        """Close the descriptor, and stop blocking threads."""
        with self._changed:
            descriptor, self._bell = self._bell, -1
            os.close(descriptor)
            self._changed.notify_all()
