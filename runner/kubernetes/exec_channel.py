"""A command in a container with its standard streams connected, over a WebSocket to the API server.

Rules:

- The protocol is v5.channel.k8s.io, or v4.channel.k8s.io, which cannot close standard input. Each message begins with
  the number of its stream (Kubernetes, apimachinery/pkg/util/remotecommand).
- Nothing is collected but the end of standard error: a command may send more than fits into memory.
- One thread uses it. Another may `cut` it.

It is a `file_transfer.Channel`. Like ``container_commands`` it imports Kubernetes' client library, which is slow.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.stream import ws_client
from websocket import ABNF, WebSocketException

from monopod.runner.kubernetes.container_commands import can_close_input, handshake
from monopod.system import foreign_json
from monopod.system.files.file_transfer import QUIET_SECONDS, BrokenError

_ws_client: Any = ws_client  # it has no types
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_MESSAGE_BYTES = 32 * 1024
_LAST_ERRORS = 2000


class ExecChannel:
    """The standard streams of a command. Owns the connection until `close`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._connection.settimeout(QUIET_SECONDS)
        self._can_close_input = can_close_input(connection)
        self._errors = b""
        self._status = b""

    @classmethod
    def connect(
        cls, configuration: Any, url: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> ExecChannel:
        """Start a command. Raises ApiError, and ConnectionError if the API server cannot be reached."""
        with handshake():
            address = _ws_client.get_websocket_url(url, query)
            return cls(_ws_client.create_websocket(configuration, address, headers))

    def write(self, data: bytes) -> None:
        """Send data to standard input. Raises BrokenError."""
        for start in range(0, len(data), _MESSAGE_BYTES):
            self._send(bytes([_STDIN]) + data[start : start + _MESSAGE_BYTES])

    def read(self, seconds: float) -> bytes | None:
        """Return what has come from standard output; None if nothing has come for so long, empty at its end.

        Raises BrokenError if the command failed, or the connection broke.
        """
        while self._has_more(seconds):
            message = self._receive()
            if message is None:
                self._check_ending()
                return b""
            stream, data = message[0], message[1:]
            if stream == _STDOUT and data:
                return data
            if stream == _STDERR:
                self._errors = (self._errors + data)[-_LAST_ERRORS:]
            elif stream == _ERROR:
                self._status += data
        return None

    def close(self) -> None:
        """Close standard input, and the connection."""
        if self._can_close_input and self._connection.connected:
            with contextlib.suppress(BrokenError):
                self._send(bytes([_CLOSE, _STDIN]))
        self._connection.shutdown()

    def cut(self) -> None:
        """Break the connection. May be called by any thread."""
        with contextlib.suppress(OSError, AttributeError):  # it is closed
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _send(self, message: bytes) -> None:
        try:
            self._connection.send(message, opcode=ABNF.OPCODE_BINARY)
        except (WebSocketException, OSError, AttributeError) as error:  # AttributeError: it was closed before
            raise BrokenError(f"the connection broke: {error}") from error

    def _has_more(self, seconds: float) -> bool:
        """Return whether a message has come, or the connection broke; wait so long for it."""
        current = self._connection.sock
        if current is None:
            return True
        if isinstance(current, ssl.SSLSocket) and current.pending():
            return True
        poll = select.poll()
        poll.register(current, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _receive(self) -> bytes | None:
        """Return the next message; None at the end."""
        try:
            kind, frame = self._connection.recv_data_frame(True)
        except (WebSocketException, OSError, AttributeError) as error:
            raise BrokenError(f"the connection broke: {error}") from error
        if kind == ABNF.OPCODE_CLOSE:
            return None
        is_data = kind in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame.data
        return bytes(frame.data) if is_data else bytes([_CLOSE])

    def _check_ending(self) -> None:
        """Check the Status of the command. Raises BrokenError if it failed, or there is none."""
        try:
            status = foreign_json.loads(self._status)
        except ValueError:
            raise BrokenError("the connection broke before the command ended") from None
        if status.get("status") != "Success":
            said = " ".join(self._errors.decode(errors="replace").split())
            raise BrokenError(said or str(status.get("message")))
