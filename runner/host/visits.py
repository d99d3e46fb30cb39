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

import json
import os
from collections.abc import Iterator, Sequence

from monopod.system.state_sockets import StateSocket, send

_SOCKET = "visits"
_LONGEST = 128 * 1024
_DESCRIPTORS = 4


class VisitError(Exception):
    """The command could not be run. The text is for people."""


class CutOffError(VisitError):
    """The Pod ended while the command ran."""


class VisitSocket:
    """Receives requests for a Pod. It can be used with select."""

    def __init__(self, directory: str) -> None:
        """Listen in the state directory. Raises OSError."""
        self._socket = StateSocket(directory, _SOCKET, _LONGEST, _DESCRIPTORS)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def requests(self) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
        """Yield the requests that have arrived: the container, the command, and descriptors, which must be closed."""
        for request in self._socket.requests():
            try:
                container, *command = json.loads(request.data)
            except ValueError:
                command = []
            if command:
                yield container, command, request.descriptors
            else:
                for descriptor in request.descriptors:
                    os.close(descriptor)


def start_visit(directory: str, container: str, command: Sequence[str], streams: tuple[int, int, int]) -> int:
    """Run a command in a container of the Pod with this state directory. Returns the pipe with the answer.

    Raises VisitError if no Pod listens there.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        send(directory, _SOCKET, json.dumps([container, *command]).encode(), [writer, *streams])
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
