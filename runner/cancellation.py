"""Requests to cancel a run, sent by `monopod cancel` to the process that runs it.

Rules:

- A run listens on a datagram socket in its state directory, which only its user can access.
- A request is one datagram with the mode, and the writing end of a pipe. Once the coordinator has accepted it, the
  answer is the mode in which the run is being cancelled, which may be a harder mode that was requested before. If the
  pipe is closed without an answer, the run has ended.
- A run that has ended refuses the connection, because its socket died with its process.
- Sockets are addressed through a descriptor of their directory, because a socket address is limited to 107 bytes.

``coordinator.engine.engine`` defines the modes; ``run`` passes them to the coordinator.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
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
    """Return the mode that applies if both are requested, in any order."""
    return other if one is None else max(one, other, key=MODES.index)


def _mode(data: bytes) -> CancelMode | None:
    return next((mode for mode in MODES if mode.encode() == data), None)


@contextlib.contextmanager
def _address(directory: str) -> Iterator[str]:
    """Yield the address of the socket in a state directory. Raises OSError."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_SOCKET}"
    finally:
        os.close(descriptor)


# In the process that runs it


class CancelRequest:
    """A request, which must be answered."""

    def __init__(self, mode: CancelMode, pipe: int) -> None:
        self.mode = mode
        self._pipe = pipe

    def answer(self, mode: CancelMode | None) -> None:
        """Answer with the mode in which the run is being cancelled; None if it has ended."""
        with contextlib.suppress(OSError):  # the requester is gone
            os.write(self._pipe, (mode or "").encode())
        os.close(self._pipe)


class CancelSocket:
    """Receives requests for a run while it is open. It can be used with select."""

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
        """Yield the requests that have arrived, without waiting."""
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


# In the process that requests


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """An active run of this user. ``identity`` is unique among runs with the same name."""

    identity: str
    directory: str

    @property
    def name(self) -> str:
        """The name of the run and of its Pod."""
        return pod_name(self.directory)

    def cancel(self, mode: CancelMode) -> CancelMode | None:
        """Request cancellation and wait for the answer: the mode that applies now, None if the run has ended."""
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


def active_runs(root: str) -> tuple[ActiveRun, ...]:
    """Return the active runs with state directories in `root`, sorted by name. Raises OSError."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return ()
    runs = (ActiveRun(name, os.path.join(root, name)) for name in names)
    return tuple(run for run in runs if _listens(run.directory))


def unique_names(runs: Sequence[ActiveRun]) -> list[str]:
    """Return a unique name of each run: its name, or its identity if another run has the same name."""
    counts = Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else run.identity for run in runs]


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
