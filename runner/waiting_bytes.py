"""How much waits in a pipe to be read."""

from __future__ import annotations

import array
import fcntl
import termios


def waiting_bytes(descriptor: int) -> int:
    """Return how many bytes can be read from a pipe at once. Raises OSError."""
    waiting = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    return waiting[0]
