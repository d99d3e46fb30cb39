"""The standard streams of a command over a WebSocket, as an API server and kubelet carry them.

Rules (Kubernetes, apimachinery/pkg/util/remotecommand): the first byte of a message is the number of its stream.
v5.channel.k8s.io adds a message that closes a stream (255, number). The Status of the command comes last, on stream 3,
then a close frame. If the client is gone, standard input ends, and nobody kills the command.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255


def status_of(code):
    """The Status of a command that ended."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    message = f"command terminated with non-zero exit code: exit status {code}"
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}, "message": message}


def frame(opcode, payload):
    """A frame of the server's."""
    if len(payload) < 126:
        length = struct.pack(">B", len(payload))
    elif len(payload) < 65536:
        length = struct.pack(">BH", 126, len(payload))
    else:
        length = struct.pack(">BQ", 127, len(payload))
    return bytes([0x80 | opcode]) + length + payload


class ExecStreams:
    """Connects a process (``subprocess.Popen`` with three pipes) with a client.

    `cut`: the connection breaks after this many bytes of both directions. `on_size` takes the sizes of its terminal.
    """

    def __init__(self, reader, writer, connection, process, *, can_close, cut=None, on_size=None):
        self._reader, self._writer, self._connection = reader, writer, connection
        self._process = process
        self._can_close = can_close
        self._on_size = on_size
        self._left = cut
        self._lock = threading.Lock()

    def run(self):
        """Carry everything until the command has ended."""
        threads = [
            threading.Thread(target=self._send, args=(_STDOUT, self._process.stdout)),
            threading.Thread(target=self._send, args=(_STDERR, self._process.stderr)),
        ]
        reader = threading.Thread(target=self._read, daemon=True)
        for thread in (*threads, reader):
            thread.start()
        for thread in threads:
            thread.join()
        code = self._process.wait()
        code = code if code >= 0 else 128 - code  # killed by a signal, as container runtimes report it
        self._write(frame(2, bytes([_ERROR]) + json.dumps(status_of(code)).encode()))
        self._write(frame(8, struct.pack(">H", 1000)))
        reader.join(10)
        self._break()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            stream.close()

    def _send(self, number, stream):
        while data := stream.read1(65536):
            self._write(frame(2, bytes([number]) + data))

    def _write(self, data):
        with self._lock:
            if self._passes(len(data)):
                try:
                    self._writer.write(data)
                    return
                except OSError:
                    pass
            self._break()

    def _read(self):
        """Read what the client sends, up to its end."""
        try:
            while (message := self._message()) is not None:
                if not self._passes(len(message)):
                    break
                if message[:1] == bytes([_STDIN]):
                    self._process.stdin.write(message[1:])
                    self._process.stdin.flush()
                elif message[:1] == bytes([_RESIZE]) and self._on_size is not None:
                    self._on_size(json.loads(message[1:]))
                elif self._can_close and message == bytes([_CLOSE, _STDIN]):
                    self._process.stdin.close()
        except (OSError, ValueError):
            pass
        self._break()
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _message(self):
        """The next message of the client's; None at the end."""
        head = self._reader.read(2)
        if len(head) < 2 or head[0] & 0xF == 8:
            return None
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self._reader.read(2 if length == 126 else 8))
        mask = self._reader.read(4)
        data = self._reader.read(length)
        if len(data) < length:
            return None
        key = int.from_bytes((mask * (length // 4 + 1))[:length])
        return (int.from_bytes(data) ^ key).to_bytes(length)

    def _passes(self, length):
        """Whether the connection carries this many further bytes."""
        if self._left is None:
            return True
        self._left -= length
        return self._left > 0

    def _break(self):
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
