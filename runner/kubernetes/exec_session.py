"""A command in a container on the streams, or on the terminal, of this process: over a WebSocket to the API server.

Rules (Kubernetes, apimachinery/pkg/util/remotecommand): the first byte of a message is the number of its stream. On a
terminal, standard error is part of standard output, and stream 4 takes the size of the terminal. The Status of the
command comes last, with its exit code. At the end of standard input, v5.channel.k8s.io can close that of the command.

Like ``exec_channel`` it imports Kubernetes' client library, which is slow.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.stream import ws_client
from websocket import ABNF, WebSocketException

from monopod.runner.kubernetes.container_commands import can_close_input, handshake
from monopod.runner.signals import received, signal_pipe
from monopod.runner.visiting.terminal import raw_terminal, window_size
from monopod.system import foreign_json
from monopod.system.files.file_transfer import BrokenError
from monopod.system.write_all import write_all

_ws_client: Any = ws_client  # it has no types
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_PIECE = 32 * 1024


class ExecSession:
    """A command that was started. Owns the connection until `run` has returned."""

    def __init__(self, connection: Any, *, on_terminal: bool) -> None:
        self._connection = connection
        self._on_terminal = on_terminal
        self._can_close_input = can_close_input(connection)
        self._status = b""

    @classmethod
    def connect(
        cls,
        configuration: Any,
        url: str,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        *,
        on_terminal: bool,
    ) -> ExecSession:
        """Start a command. Raises ApiError, and ConnectionError if the API server cannot be reached."""
        with handshake():
            address = _ws_client.get_websocket_url(url, query)
            connection = _ws_client.create_websocket(configuration, address, headers)
        return cls(connection, on_terminal=on_terminal)

    def run(self) -> int:
        """Pass on the streams until the command has ended, and return its exit code. Raises BrokenError."""
        try:
            with signal_pipe(signal.SIGWINCH) as signals, contextlib.ExitStack() as stack:
                if self._on_terminal:
                    self._send_size()
                    stack.enter_context(raw_terminal())
                self._pass_on(signals.reader)
        finally:
            self._connection.shutdown()
        return self._exit_code()

    def _pass_on(self, signals: int) -> None:
        poll = select.poll()
        poll.register(self._connection.sock, select.POLLIN)
        poll.register(0, select.POLLIN)
        poll.register(signals, select.POLLIN)
        while True:
            ready = [] if self._has_pending() else [descriptor for descriptor, _ in poll.poll()]
            if 0 in ready:
                data = os.read(0, _PIECE)
                if data:
                    self._send(_STDIN, data)
                else:
                    poll.unregister(0)
                    if self._can_close_input:
                        self._send(_CLOSE, bytes([_STDIN]))
            if signals in ready:
                received(signals)
                if self._on_terminal:
                    self._send_size()
            if (not ready or self._connection.sock.fileno() in ready) and not self._receive():
                return

    def _has_pending(self) -> bool:
        """Return whether a message was read with the one before it."""
        current = self._connection.sock
        return isinstance(current, ssl.SSLSocket) and bool(current.pending())

    def _send_size(self) -> None:
        rows, columns = window_size()
        self._send(_RESIZE, json.dumps({"Width": columns, "Height": rows}).encode())

    def _send(self, stream: int, data: bytes) -> None:
        try:
            self._connection.send(bytes([stream]) + data, opcode=ABNF.OPCODE_BINARY)
        except (WebSocketException, OSError, AttributeError) as error:  # AttributeError: it was closed before
            raise BrokenError(f"the connection broke: {error}") from error

    def _receive(self) -> bool:
        """Take the next message; return whether there may be more."""
        try:
            kind, frame = self._connection.recv_data_frame(True)
        except (WebSocketException, OSError, AttributeError) as error:
            raise BrokenError(f"the connection broke: {error}") from error
        if kind == ABNF.OPCODE_CLOSE:
            return False
        if kind in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame.data:
            stream, data = frame.data[0], bytes(frame.data[1:])
            if stream in (_STDOUT, _STDERR):
                write_all(1 if stream == _STDOUT else 2, data)
            elif stream == _ERROR:
                self._status += data
        return True

    def _exit_code(self) -> int:
        """Return the exit code in the Status. Raises BrokenError if the command could not be run."""
        try:
            status = foreign_json.loads(self._status)
        except ValueError:
            raise BrokenError("the connection broke before the command ended") from None
        if status.get("status") == "Success":
            return 0
        causes = (status.get("details") or {}).get("causes") or []
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        raise BrokenError(str(status.get("message")))
