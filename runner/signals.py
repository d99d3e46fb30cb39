"""The signals that a process gets while it follows a run: numbers that can be read from a pipe.

A reader of the output that has gone is told in the same way, as SIGPIPE. Python itself ignores that signal, which would
come for sockets too.

What is left to others: what each of them means (``run``).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks for the end of the run."""
READER_GONE = signal.SIGPIPE
_MOST = 64


@dataclass(frozen=True, slots=True)
class WakeUps:
    """A pipe that numbers of signals come through: its ends."""

    reader: int
    writer: int

    def tell_reader_gone(self) -> None:
        """Tell that nobody reads the output any more. May be called by any thread."""
        with contextlib.suppress(BlockingIOError):  # there is enough in it to end the run
            os.write(self.writer, bytes([READER_GONE]))


@contextmanager
def wake_ups(*numbers: signal.Signals) -> Iterator[WakeUps]:
    """Give where the signals of these numbers come in, and others that are `heeded` meanwhile."""
    found = WakeUps(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    before = signal.set_wakeup_fd(found.writer, warn_on_full_buffer=False)
    try:
        with heeded(*numbers):
            yield found
    finally:
        signal.set_wakeup_fd(before)
        os.close(found.reader)
        os.close(found.writer)


@contextmanager
def heeded(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals do nothing by themselves, but for those that are ignored, as nohup asks for."""
    taken = [each for each in numbers if signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def noticed(number: signal.Signals) -> Iterator[list[int]]:
    """Give a list that holds the signal once it has come; it does what it did before as well."""
    came: list[int] = []
    before = signal.getsignal(number)

    def note(which: int, frame: FrameType | None) -> None:
        came.append(which)
        if callable(before):
            before(which, frame)

    if callable(before):
        signal.signal(number, note)
    try:
        yield came
    finally:
        if callable(before):
            signal.signal(number, before)


def interrupt() -> None:
    """Have KeyboardInterrupt raised in the main thread, as Ctrl-C does. May be called by any thread."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def received(wake_up: int) -> bytes:
    """Return the numbers of the signals that have come, without waiting."""
    return os.read(wake_up, _MOST) if select.select([wake_up], [], [], 0)[0] else b""


def stop() -> None:
    """Stop this process as Ctrl-Z would if SIGTSTP were not heeded; returns when it goes on."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        signal.raise_signal(signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, handler)
