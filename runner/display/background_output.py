"""Standard output and standard error, written in the background so that a slow reader does not block the run.

Rules:

- Writing never waits for the reader (a pager, or a terminal stopped with Ctrl-S). Unread output is buffered: up to
  `MOST_IN_MEMORY` bytes in memory, the rest in temporary files in the state directory (``held_output``). If the disk is
  full, `MOST_OVERFLOW` bytes more are buffered in memory, so that the writer can stop by itself;
  only then does writing wait for the reader. A run shows nothing more at `MOST_UNREAD` bytes (`unread`). At its
  end, the command waits for the reader; Ctrl-C discards the remaining output. After `BackgroundOutput.hurry` it
  waits for a second at most.
- Steps on this machine are scheduled before the writing, which does much of a terminal's work.
- Nothing is lost or written twice. If both streams go to the same place (a terminal, ``2>&1``), their order is kept.
- If the reader exits, or writing fails, that is reported immediately (`BackgroundOutput.on_loss`). Further output is
  discarded, and the error is raised at the end.
- Files are written directly, because they never block.

The displays decide what is written; ``run_pods`` and ``detached`` decide what to do without a reader.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import IO, TYPE_CHECKING, TextIO

from monopod.runner.display.ci_log import guarded_like
from monopod.runner.follow.held_output import HeldOutput
from monopod.runner.kubelet.state_directory import parent_path

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST_UNREAD = 1024 * 1024 * 1024
"""Bytes of a stream that are buffered before a run waits for the reader."""
MOST_OVERFLOW = 16 * 1024 * 1024
"""Bytes of a stream that are buffered in memory when the disk is full. What a run shows at once is less."""
_PIECE = 256 * 1024
_NICENESS = 10
"""How much the niceness of the thread that writes exceeds the process's."""
_NAMES = {1: "standard output", 2: "standard error"}
_DRAIN_SECONDS = 1.0
_OF_THE_MAIN_THREAD = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)


class Unread(Enum):
    """How much the reader of a stream has not taken yet.

    With ``MUCH``, it should take some before there is more. With ``ALL_THERE_IS_ROOM_FOR`` it has to: the disk is full.
    """

    LITTLE = auto()
    MUCH = auto()
    ALL_THERE_IS_ROOM_FOR = auto()


class BackgroundStream(io.RawIOBase):
    """Writes to a descriptor without blocking. Closing it leaves the descriptor open."""

    def __init__(self, descriptor: int, lost: Callable[[], None]) -> None:
        """``lost`` is called, in any thread, when writing fails for good."""
        self.problem: OSError | None = None
        """The error that ended writing."""
        self._descriptor = descriptor
        self._lost = lost
        mode = os.fstat(descriptor).st_mode
        self._has_reader = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        self._waits = self._has_reader or os.isatty(descriptor)
        self._buffer = HeldOutput(parent_path())
        self._changed = threading.Condition()
        self._is_writing = self._is_ending = False
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Accept all of `data`. It is discarded if writing has failed for good."""
        view = memoryview(data)
        if not self._waits:
            self._write_all(bytes(view))
            return len(view)
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="standard output", daemon=True)
            self._thread.start()
        for start in range(0, len(view), _PIECE):
            self._put(bytes(view[start : start + _PIECE]))
        return len(view)

    @property
    def is_behind(self) -> bool:
        """Whether there is output that the reader has not taken yet."""
        return self._is_writing or len(self._buffer) > 0

    @property
    def unread(self) -> Unread:
        """How much the reader has not taken yet."""
        if self._buffer.overflow:
            return Unread.ALL_THERE_IS_ROOM_FOR
        return Unread.MUCH if len(self._buffer) > MOST_UNREAD else Unread.LITTLE

    def drain(self, seconds: float | None = _DRAIN_SECONDS) -> None:
        """Wait until everything is written, at most `seconds`; None waits without a limit."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_behind or self.problem is not None, seconds)

    def end(self) -> None:
        """Release all resources, after everything was written or discarded."""
        self._is_ending = True
        self._ring()
        if self._thread is not None and not self.is_behind:
            self._thread.join()
            os.close(self._bell)

    def _put(self, piece: bytes) -> None:
        with self._changed:
            while self.problem is None:
                try:
                    self._buffer.append(piece)
                    break
                except OSError:  # the disk is full
                    if self._buffer.overflow < MOST_OVERFLOW:
                        self._buffer.append_in_memory(piece)
                        break
                    self._changed.wait()  # for the reader
        self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    # In the background thread

    def _pump(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_MAIN_THREAD)
        os.nice(_NICENESS)  # only this thread (Linux nice(2), "C library/kernel differences")
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._has_reader:
            poll.register(self._descriptor, 0)  # reports POLLERR when the reader is gone
        while self.problem is None:
            with self._changed:
                piece = self._buffer.take(_PIECE)
                self._is_writing = bool(piece)
                self._changed.notify_all()
            if piece:
                self._write_all(piece)
            elif self._is_ending:
                return
            else:
                self._wait(poll)

    def _wait(self, poll: select.poll) -> None:
        ready = dict(poll.poll())
        if self._bell in ready:
            os.eventfd_read(self._bell)
        elif self._descriptor in ready:
            self._lose(BrokenPipeError())

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view and self.problem is None:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._lose(OSError(error.errno, error.strerror, _NAMES.get(self._descriptor)))

    def _lose(self, error: OSError) -> None:
        with self._changed:
            self.problem = error
            self._is_writing = False
            self._buffer.close()
            self._changed.notify_all()
        self._lost()


def drain(stream: IO[str]) -> None:
    """Wait at most a second until the reader of `stream` has taken all output."""
    stream.flush()
    raw = getattr(stream, "buffer", None)
    if isinstance(raw, BackgroundStream):
        raw.drain()


def is_behind(stream: object) -> bool:
    """Return whether the reader of `stream` is known not to have taken all output yet."""
    raw = getattr(stream, "buffer", None)
    return isinstance(raw, BackgroundStream) and raw.is_behind


def unread(stream: object) -> Unread:
    """Return how much the reader of `stream` is known not to have taken yet."""
    raw = getattr(stream, "buffer", None)
    return raw.unread if isinstance(raw, BackgroundStream) else Unread.LITTLE


class BackgroundOutput:
    """The standard streams as background streams."""

    def __init__(self) -> None:
        self._opened: list[tuple[BackgroundStream, TextIO]] = []
        self._lock = threading.Lock()
        self._is_lost = False
        self._callback: Callable[[], None] | None = None
        self._seconds: float | None = None  # how long the end may take
        self.leaves_out_rest = False
        """Whether output was discarded at the end, because the reader did not take it in time."""

    @contextlib.contextmanager
    def on_loss(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within this context, call `callback` once, in any thread, when writing fails for good."""
        with self._lock:
            self._callback = callback
            if self._is_lost:
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callback = None

    def _lost(self) -> None:
        with self._lock:
            if not self._is_lost and self._callback is not None:
                self._callback()
            self._is_lost = True

    def stream(self, stream: TextIO) -> TextIO:
        """Return a background stream for the descriptor of `stream`."""
        try:
            descriptor = stream.fileno()
        except OSError:  # a stream without a descriptor, in tests
            return stream
        stream.flush()
        for raw, opened in self._opened:
            if os.path.samestat(os.fstat(descriptor), os.fstat(raw.fileno())):
                return opened
        raw = BackgroundStream(descriptor, self._lost)
        text = io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, write_through=True)  # type: ignore[type-var]
        self._opened.append((raw, guarded_like(stream, text)))
        return self._opened[-1][1]

    def hurry(self) -> None:
        """Wait for the reader for a second at most at the end, because the user asked to end."""
        self._seconds = _DRAIN_SECONDS

    def drain(self) -> None:
        """Wait until everything is written: without a limit, unless `hurry` was called."""
        end = None if self._seconds is None else time.monotonic() + self._seconds
        for raw, _ in self._opened:
            raw.drain(None if end is None else max(0.0, end - time.monotonic()))

    def end(self) -> OSError | None:
        """Stop writing. Returns the first error, if there was one."""
        for raw, _ in self._opened:
            raw.end()
            self.leaves_out_rest |= raw.is_behind
        return next((raw.problem for raw, _ in self._opened if raw.problem is not None), None)


@contextlib.contextmanager
def background_output() -> Iterator[BackgroundOutput]:
    """Replace the standard streams with background streams within this context.

    Waits for the reader at the end. Raises OSError if writing failed (BrokenPipeError: the reader exited), and
    KeyboardInterrupt if the user interrupts the wait.
    """
    output = BackgroundOutput()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(output.stream, before)
    try:
        yield output
    except KeyboardInterrupt:
        output.hurry()
        raise
    finally:
        sys.stdout, sys.stderr = before
        try:
            output.drain()
        finally:
            problem = output.end()
            if problem is not None:
                raise problem
