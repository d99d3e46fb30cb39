"""The signals that a process receives while it follows a run, as numbers read from a pipe.

A reader of the output that goes away is reported through the same pipe, as SIGPIPE. Python itself ignores that signal,
which would also be raised for sockets.

What each signal means is decided in ``run``.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end the run."""
READER_GONE = signal.SIGPIPE
_MOST = 64


@dataclass(frozen=True, slots=True)
class SignalPipe:
    """The two ends of a pipe that carries signal numbers."""

    reader: int
    writer: int

    def report_reader_gone(self) -> None:
        """Report that nobody reads the output any more. Thread-safe."""
        with contextlib.suppress(BlockingIOError):  # a full pipe holds enough to end the run
            os.write(self.writer, bytes([READER_GONE]))


@contextmanager
def signal_pipe(*numbers: signal.Signals) -> Iterator[SignalPipe]:
    """Yield a pipe that receives these signals, and all signals that are `caught` meanwhile."""
    pipe = SignalPipe(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    before = signal.set_wakeup_fd(pipe.writer, warn_on_full_buffer=False)
    try:
        with caught(*numbers):
            yield pipe
    finally:
        signal.set_wakeup_fd(before)
        os.close(pipe.reader)
        os.close(pipe.writer)


def caught(*numbers: signal.Signals) -> AbstractContextManager[None]:
    """Catch these signals with a handler that does nothing, except signals that are ignored (as under nohup)."""
    return _handled(numbers, lambda *_: None)


def raising_interrupt(*numbers: signal.Signals) -> AbstractContextManager[None]:
    """Raise KeyboardInterrupt in the block when one of these signals arrives, except signals that are ignored."""
    return _handled(numbers, signal.default_int_handler)


@contextmanager
def _handled(numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle those of these signals that are not ignored, in the block."""
    before = {
        number: signal.signal(number, handler) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def observed(number: signal.Signals) -> Iterator[list[int]]:
    """Yield a list to which the signal is appended when it arrives, before its usual handler runs."""
    received_signals: list[int] = []
    before = signal.getsignal(number)

    def note(which: int, frame: FrameType | None) -> None:
        received_signals.append(which)
        if callable(before):
            before(which, frame)

    if callable(before):
        signal.signal(number, note)
    try:
        yield received_signals
    finally:
        if callable(before):
            signal.signal(number, before)


def interrupt() -> None:
    """Raise KeyboardInterrupt in the main thread, as Ctrl-C does. Thread-safe."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def received(pipe: int) -> bytes:
    """Return the numbers of the signals that have arrived, without waiting."""
    return os.read(pipe, _MOST) if select.select([pipe], [], [], 0)[0] else b""


def suspend() -> None:
    """Suspend this process as Ctrl-Z would if SIGTSTP were not caught. Returns when the process is resumed."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        signal.raise_signal(signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, handler)
