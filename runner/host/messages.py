"""What the runner and the sandbox of a Pod say to each other, over one socket that keeps messages apart.

Rules: a message is one JSON object with its ``type``; file descriptors go with the message that speaks of them.
The sandbox says ``ready`` or ``unavailable`` (`message`) once, then

- ``created``: `container`, `restart_count`, `process` (the number of its first one in the Pod's PID namespace), and the
  reading ends of its standard output and standard error;
- ``started``: `container`, `restart_count`, `at`; ``terminated``: `container`, `restart_count`, `termination` (the
  fields of a `Termination`); ``changed``: `status` (a ContainerStatus); ``warning``: `message`;
- at last ``finished``: `phase`, `reason`, `message`.

The runner says ``terminate`` (`grace`) and ``signal`` (`container`, `number`). Closing the socket kills the Pod.
"""

from __future__ import annotations

import json
import socket
from typing import Any

_LONGEST = 128 * 1024
_MOST_DESCRIPTORS = 2


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
