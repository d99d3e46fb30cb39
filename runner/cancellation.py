"""Requests to cancel a run: from `monopod cancel`, which makes them, to the process that runs it.

Rules:

- A run listens on a datagram socket in its state directory. That only its user may enter, so nobody else can ask.
- A request is one datagram: the mode, and with it the writing end of a pipe. The answer, once the coordinator has taken
  it, is the mode in which the run is being cancelled: a harder one, if that had been asked for before. A pipe that is
  closed without an answer says that the run has ended.
- A run that has ended refuses the connection, however it ended: a socket is as dead as its process.
- Sockets are reached through a descriptor of their directory, since an address of one holds 107 bytes at most.

What is left to others: what a mode means (``coordinator.engine.engine``), passing it on to the coordinator (``run``).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monopod.runner.kubelet.state_directory import pod_name

if TYPE_CHECKING:
    from monopod.schemas.run_events import CancelMode

MODES: tuple[CancelMode, ...] = ("StoppedRunFinally", "CancelledRunFinally", "Cancelled")
"""From the mildest to the hardest (Tekton docs/pipelineruns.md, "Cancelling a PipelineRun" and what follows)."""

_SOCKET = "cancel"
_LONGEST = 64


def harder(one: CancelMode | None, other: CancelMode) -> CancelMode:
    """Return the mode that counts if both are asked for, whichever came first."""
    return other if one is None else max(one, other, key=MODES.index)


def _mode(data: bytes) -> CancelMode | None:
    return next((mode for mode in MODES if mode.encode() == data), None)


@contextlib.contextmanager
def _address(directory: str) -> Iterator[str]:
    """Give the address of the socket in a state directory. Raises OSError."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_SOCKET}"
    finally:
        os.close(descriptor)


# In the process that runs it


class CancelRequest:
    """One request; whoever takes it answers it."""

    def __init__(self, mode: CancelMode, pipe: int) -> None:
        self.mode = mode
        self._pipe = pipe

    def answer(self, mode: CancelMode | None) -> None:
        """Tell in which mode the run is being cancelled; None: it has ended."""
        with contextlib.suppress(OSError):  # whoever asked has gone
            os.write(self._pipe, (mode or "").encode())
        os.close(self._pipe)


class CancelSocket:
    """Where a run takes requests, as long as this is open. It can be selected on like a file."""

    def __init__(self, directory: str) -> None:
        """Listen in the state directory `directory`. Raises OSError."""
        self._directory = directory
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _address(directory) as address:
            self._socket.bind(address)

    def __enter__(self) -> CancelSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{_SOCKET}")

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""
        return self._socket.fileno()

    def requests(self) -> Iterator[CancelRequest]:
        """Yield the requests that have come, without waiting."""
        while True:
            try:
                data, pipes, _, _ = socket.recv_fds(self._socket, _LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            mode = _mode(data)
            if mode is not None and pipes:
                yield CancelRequest(mode, pipes[0])
            else:
                for pipe in pipes:
                    os.close(pipe)


# In the process that asks


@dataclass(frozen=True, slots=True)
class GoingRun:
    """A run of this user's that goes on. ``identity`` tells apart those that have the same name."""

    identity: str
    directory: str

    @property
    def name(self) -> str:
        """The name of the run, which is that of its Pod."""
        return pod_name(self.directory)

    def cancel(self, mode: CancelMode) -> CancelMode | None:
        """Ask for it and wait until the run has taken it; return the mode that holds now, None if the run has ended."""
        reader, writer = os.pipe()
        with open(reader, "rb") as answer:
            try:
                with _connected(self.directory) as connected:
                    socket.send_fds(connected, [mode.encode()], [writer])
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            finally:
                os.close(writer)
            return _mode(answer.read())


def going_runs(root: str) -> tuple[GoingRun, ...]:
    """Return the runs whose state directories are below `root` and that still go on, by name. Raises OSError."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return ()
    runs = (GoingRun(name, os.path.join(root, name)) for name in names)
    return tuple(run for run in runs if _listens(run.directory))


def _listens(directory: str) -> bool:
    try:
        with _connected(directory):
            return True
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False


@contextlib.contextmanager
def _connected(directory: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connected, _address(directory) as address:
        connected.connect(address)
        yield connected
