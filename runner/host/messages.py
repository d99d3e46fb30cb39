"""The messages between the runner and the sandbox of a Pod, over one socket that preserves message boundaries.

Rules: a message is one JSON object with a ``type``; file descriptors accompany the message that they belong to.
The sandbox sends ``ready`` or ``unavailable`` (`message`) once, then

- ``created``: `container`, `restart_count`, `process` (the PID of its first process in the Pod's PID namespace), and
  the read ends of its standard output and standard error;
- ``started``: `container`, `restart_count`, `at`; ``terminated``: `container`, `restart_count`, `termination` (the
  fields of a `Termination`); ``changed``: `status` (a ContainerStatus); ``warning``: `message`;
- ``finished``, as the last message: `phase`, `reason`, `message`.

The runner sends ``terminate`` (`grace`), ``signal`` (`container`, `number`), ``never_started`` (`container`, `reason`,
`message`), and ``visit`` (`container`, `command`) with the descriptors of ``visits``. Closing the socket kills the Pod.
"""

from __future__ import annotations

import json
import socket
from typing import Any

_LONGEST = 128 * 1024
_MOST_DESCRIPTORS = 4


def send(channel: socket.socket, kind: str, descriptors: tuple[int, ...] = (), **fields: Any) -> None:
    """Send one message. Raises OSError if the other side is gone."""
    data = json.dumps({"type": kind, **fields}).encode()
    socket.send_fds(channel, [data], list(descriptors))


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and the descriptors that came with it; None if the other side is gone.

    Raises BlockingIOError if there is none and the socket does not block.
    """
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, _LONGEST, _MOST_DESCRIPTORS)
    except ConnectionResetError:
        return None
    if not data:
        return None
    message: dict[str, Any] = json.loads(data)
    return message, descriptors
