"""Commands that somebody else runs in a container of a running Pod (`monopod shell`).

Rules:

- A Pod listens on a datagram socket in its state directory, which only its user can access.
- A request is one datagram: the container and the words of the command, in JSON, with four descriptors: the writing end
  of a pipe for the answer, and the command's standard streams. If the input is a terminal, it becomes the controlling
  terminal of the command.
- The answer is the exit code, or why the command could not be run. The sandbox writes it. A pipe that is closed without
  an answer means that the container or the Pod has ended.

``sandbox`` runs the command, as the container's user, with its walls. ``runner.visiting`` chooses the container.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence

_SOCKET = "visits"
_LONGEST = 128 * 1024
_DESCRIPTORS = 4


class VisitError(Exception):
    """The command could not be run. The text is for people."""


class CutOffError(VisitError):
    """The Pod ended while the command ran."""


@contextlib.contextmanager
def _address(directory: str) -> Iterator[str]:
    """Yield the address of the socket in a state directory; one is limited to 107 bytes. Raises OSError."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{_SOCKET}"
    finally:
        os.close(descriptor)


class VisitSocket:
    """Receives requests for a Pod. It can be used with select."""

    def __init__(self, directory: str) -> None:
        """Listen in the state directory. Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _address(directory) as address:
            self._socket.bind(address)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def requests(self) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
        """Yield the requests that have arrived: the container, the command, and descriptors, which must be closed."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, _LONGEST, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            try:
                container, *command = json.loads(data)
            except ValueError:
                command = []
            if command and len(descriptors) == _DESCRIPTORS:
                yield container, command, tuple(descriptors)
            else:
                for descriptor in descriptors:
                    os.close(descriptor)


def start_visit(directory: str, container: str, command: Sequence[str], streams: tuple[int, int, int]) -> int:
    """Run a command in a container of the Pod with this state directory. Returns the pipe with the answer.

    Raises VisitError if no Pod listens there.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, _address(directory) as address:
            sender.connect(address)
            socket.send_fds(sender, [json.dumps([container, *command]).encode()], [writer, *streams])
    except OSError as error:
        os.close(reader)
        raise VisitError("the run has ended") from error
    finally:
        os.close(writer)
    return reader


def read_answer(reader: int) -> int:
    """Return the exit code in the answer of `start_visit`, once it is there, and close the pipe. Raises VisitError."""
    with open(reader, "rb") as file:
        answer = file.read().decode(errors="replace")
    if answer.isdecimal():
        return int(answer)
    if not answer:
        raise CutOffError("the run has ended")
    raise VisitError(answer)
