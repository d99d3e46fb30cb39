"""This process's terminal, passed on to a command somewhere else: raw, with its size."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios
import tty
from collections.abc import Iterator

TERMINAL = 0
"""Standard input, where the terminal is read and asked for its size."""


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Pass on every key as it is in the block, Ctrl-C and Ctrl-Z too, and what was typed before it."""
    before = termios.tcgetattr(TERMINAL)
    tty.setraw(TERMINAL, termios.TCSADRAIN)  # its default discards what was typed
    try:
        yield
    finally:
        termios.tcsetattr(TERMINAL, termios.TCSADRAIN, before)


def window_size(terminal: int = TERMINAL) -> tuple[int, int]:
    """Return the rows and columns of a terminal."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def set_window_size(terminal: int, size: tuple[int, int]) -> None:
    """Set the rows and columns of a terminal, which tells the programs on it."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
