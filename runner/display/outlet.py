"""Standard output and standard error, so that whoever reads them slowly, or not at all, holds up nothing.

Rules:

- Writing never waits for the reader (a pager, a terminal that was stopped with Ctrl-S). What he has not taken yet is
  kept: `IN_MEMORY` bytes of it in memory, the rest in temporary files, where state is kept too. Only if these have no
  room is he waited for. The end of the command waits for him; Ctrl-C drops what is left.
- Nothing is lost or written twice. What goes to the same place by both streams (a terminal, ``2>&1``) stays in order.
- When the reader has gone, or nothing can be written any more, that is told at once (`Outlets.telling`), the rest is
  dropped, and the error is raised in the end.
- Files are written to at once: nobody keeps them waiting.

What is left to others: what is written (the displays), what to do without a reader (``run_pods``, ``detached``).
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import stat
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TextIO

from monopod.runner.display.ci_log import guarded_like
from monopod.runner.kubelet.state_directory import parent_path

if TYPE_CHECKING:
    from typing_extensions import Buffer

IN_MEMORY = 1024 * 1024
SEGMENT_BYTES = 64 * 1024 * 1024
"""Bytes of a temporary file; one that was read is removed."""
_PIECE = 64 * 1024
_NAMES = {1: "standard output", 2: "standard error"}
_SECONDS_TO_SETTLE = 1.0
_OF_THE_MAIN_THREAD = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)


@dataclass(slots=True)
class _Segment:
    """A temporary file, and how many of its bytes were written and read."""

    file: IO[bytes]
    written: int = 0
    read: int = 0


class Backlog:
    """Bytes, first in, first out."""

    def __init__(self, directory: str) -> None:
        """``directory`` is where temporary files are made."""
        self._directory = directory
        self._memory = bytearray()
        self._segments: deque[_Segment] = deque()

    def __bool__(self) -> bool:
        return bool(self._memory or self._segments)

    def put(self, data: bytes) -> None:
        """Take all of `data`. Raises OSError, and takes nothing, if there is no room for a file."""
        if not self._segments and len(self._memory) + len(data) <= IN_MEMORY:
            self._memory += data
            return
        if not self._segments or self._segments[-1].written >= SEGMENT_BYTES:
            file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115  # closed when it is read
            self._segments.append(_Segment(file))
        last = self._segments[-1]
        done = 0
        while done < len(data):
            done += os.pwrite(last.file.fileno(), data[done:], last.written + done)
        last.written += done

    def take(self) -> bytes:
        """Return what came first, 64 KiB at most; empty if there is nothing."""
        while not self._memory and self._segments:
            first = self._segments[0]
            self._memory += os.pread(first.file.fileno(), _PIECE, first.read)[: first.written - first.read]
            first.read += len(self._memory)
            if first.read == first.written:
                self._segments.popleft().file.close()
        piece = bytes(self._memory[:_PIECE])
        del self._memory[:_PIECE]
        return piece

    def clear(self) -> None:
        """Drop everything."""
        self._memory.clear()
        while self._segments:
            self._segments.popleft().file.close()


class Outlet(io.RawIOBase):
    """A descriptor that can be written to without waiting; it stays open when this is closed."""

    def __init__(self, descriptor: int, lost: Callable[[], None]) -> None:
        """``lost`` is called, by any thread, when nothing can be written any more."""
        self.problem: OSError | None = None
        """Why nothing can be written any more."""
        self._descriptor = descriptor
        self._lost = lost
        mode = os.fstat(descriptor).st_mode
        self._has_reader = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        self._waits = self._has_reader or os.isatty(descriptor)
        self._backlog = Backlog(parent_path())
        self._changed = threading.Condition()
        self._is_writing = self._is_ending = False
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Take all of `data`. It is dropped if nothing can be written any more."""
        view = memoryview(data)
        if not self._waits:
            self._write_all(bytes(view))
            return len(view)
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="standard output", daemon=True)
            self._thread.start()
        for start in range(0, len(view), _PIECE):
            self._keep(bytes(view[start : start + _PIECE]))
        return len(view)

    @property
    def is_behind(self) -> bool:
        """Whether something was not taken by the reader yet."""
        return self._is_writing or bool(self._backlog)

    def settle(self, seconds: float | None = _SECONDS_TO_SETTLE) -> None:
        """Wait until all is written, so many seconds at most; None: as long as it takes."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_behind or self.problem is not None, seconds)

    def end(self) -> None:
        """Release what this has, once all is written or was given up."""
        self._is_ending = True
        self._ring()
        if self._thread is not None and not self.is_behind:
            self._thread.join()
            os.close(self._bell)

    def _keep(self, piece: bytes) -> None:
        with self._changed:
            while self.problem is None:
                try:
                    self._backlog.put(piece)
                    break
                except OSError:  # no room: now the reader has to be waited for
                    self._changed.wait()
        self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    # In the thread

    def _pump(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_MAIN_THREAD)
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._has_reader:
            poll.register(self._descriptor, 0)  # whether there is still one
        while self.problem is None:
            with self._changed:
                piece = self._backlog.take()
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
            self._backlog.clear()
            self._changed.notify_all()
        self._lost()


def settle(stream: IO[str]) -> None:
    """Wait a second at most until all that was written to `stream` has been handed to its reader."""
    stream.flush()
    outlet = getattr(stream, "buffer", None)
    if isinstance(outlet, Outlet):
        outlet.settle()


def is_behind(stream: object) -> bool:
    """Return whether the reader of `stream` has not taken all of it yet, as far as that is known."""
    outlet = getattr(stream, "buffer", None)
    return isinstance(outlet, Outlet) and outlet.is_behind


class Outlets:
    """The standard streams as outlets."""

    def __init__(self) -> None:
        self._opened: list[tuple[Outlet, TextIO]] = []
        self._lock = threading.Lock()
        self._is_lost = False
        self._tell: Callable[[], None] | None = None

    @contextlib.contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """As long as this lasts, have `tell` called, once and by any thread, when nothing can be written any more."""
        with self._lock:
            self._tell = tell
            if self._is_lost:
                tell()
        try:
            yield
        finally:
            with self._lock:
                self._tell = None

    def _lost(self) -> None:
        with self._lock:
            if not self._is_lost and self._tell is not None:
                self._tell()
            self._is_lost = True

    def stream(self, stream: TextIO) -> TextIO:
        """Return a stream that writes to where `stream` does."""
        try:
            descriptor = stream.fileno()
        except OSError:  # it is not of this process, but of a test
            return stream
        stream.flush()
        for outlet, opened in self._opened:
            if os.path.samestat(os.fstat(descriptor), os.fstat(outlet.fileno())):
                return opened
        outlet = Outlet(descriptor, self._lost)
        text = io.TextIOWrapper(outlet, encoding=stream.encoding, errors=stream.errors, write_through=True)  # type: ignore[type-var]
        self._opened.append((outlet, guarded_like(stream, text)))
        return self._opened[-1][1]

    def settle(self, seconds: float | None) -> None:
        """Wait until all is written, so many seconds at most."""
        for outlet, _ in self._opened:
            outlet.settle(seconds)

    def end(self) -> OSError | None:
        """Stop writing; return what went wrong."""
        for outlet, _ in self._opened:
            outlet.end()
        return next((outlet.problem for outlet, _ in self._opened if outlet.problem is not None), None)


@contextlib.contextmanager
def outlets() -> Iterator[Outlets]:
    """Let the standard streams be outlets as long as this lasts.

    In the end their reader is waited for. Raises OSError (BrokenPipeError: the reader has gone) if something could not
    be written, KeyboardInterrupt if somebody did not want to wait.
    """
    found = Outlets()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(found.stream, before)
    seconds: float | None = None
    try:
        yield found
    except KeyboardInterrupt:
        seconds = _SECONDS_TO_SETTLE
        raise
    finally:
        sys.stdout, sys.stderr = before
        try:
            found.settle(seconds)
        finally:
            problem = found.end()
            if problem is not None:
                raise problem
