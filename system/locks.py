"""Whether another process holds the lock of a file (flock(2))."""

from __future__ import annotations

import fcntl


def is_locked(descriptor: int) -> bool:
    """Return whether another process has locked a file. The lock is taken for a moment to find out."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
