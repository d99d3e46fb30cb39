"""Datagram sockets in a directory that only one user can access, and descriptors sent with each datagram.

Rules:

- A request is one datagram with a fixed number of descriptors; others are dropped, and their descriptors closed.
- Sockets are addressed through a descriptor of their directory, because a socket address is limited to 107 bytes.
- A socket whose process has ended refuses connections.

Left to others: what requests mean (``runner.cancellation``, ``runner.host.visits``).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A datagram. The receiver closes its descriptors."""

    data: bytes
    descriptors: tuple[int, ...]


class StateSocket:
    """Receives requests while it is open. It can be used with select."""

    def __init__(self, directory: str, name: str, longest: int, descriptors: int) -> None:
        """Listen in `directory` for datagrams of at most `longest` bytes. Raises OSError."""
        self._path = os.path.join(directory, name)
        self._longest, self._descriptors = longest, descriptors
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _address(directory, name) as address:
            self._socket.bind(address)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening, and remove the socket."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def requests(self) -> Iterator[Request]:
        """Yield the requests that have arrived, without waiting."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._socket, self._longest, self._descriptors, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            if len(descriptors) == self._descriptors:
                yield Request(data, tuple(descriptors))
            else:
                for descriptor in descriptors:
                    os.close(descriptor)


def send(directory: str, name: str, data: bytes, descriptors: Sequence[int]) -> None:
    """Send a request to the process that listens in `directory`. Raises OSError, also if there is none."""
    with _connected(directory, name) as connected:
        socket.send_fds(connected, [data], descriptors)


def listens(directory: str, name: str) -> bool:
    """Whether a process listens in `directory`. Raises OSError if that cannot be known."""
    try:
        with _connected(directory, name):
            return True
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False


@contextlib.contextmanager
def _connected(directory: str, name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connected, _address(directory, name) as address:
        connected.connect(address)
        yield connected


@contextlib.contextmanager
def _address(directory: str, name: str) -> Iterator[str]:
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
