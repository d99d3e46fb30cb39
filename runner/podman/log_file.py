"""Reads the log of a container in the format ``k8s-file`` as it grows (containers/conmon; the CRI logging format).

Rules: a line is ``TIME STREAM TAG CONTENT``. The tag P means that the container's own line continues in the next one:
the newline is then not the container's. A partly written line is kept until the rest of it is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from monopod.runner.follow.kept_log import rewrite

Stream: TypeAlias = Literal["stdout", "stderr"]

_PIECE = 1 << 20


class LogFile:
    """A container's log, open until `close`."""

    def __init__(self, path: str) -> None:
        """Open the log. Raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rest = b""

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def read(self) -> list[tuple[Stream, bytes]]:
        """Return what the container has written since the last call, at most 1 MiB.

        There may be more to read; an empty list means that there is not.
        """
        data = os.read(self._descriptor, _PIECE)
        if not data:
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        return joined(map(parse, lines))


def written_lines(path: str) -> Iterator[bytes]:
    """Yield the lines that a container has written to standard output. Raises OSError."""
    beginning = b""
    with open(path, "rb") as file:
        for stream, content in (parse(line.removesuffix(b"\n")) for line in file):
            if stream == "stdout":
                beginning += content
            if beginning.endswith(b"\n"):
                yield beginning
                beginning = b""


def take_marks_out(path: str, marks: frozenset[bytes]) -> None:
    """Rewrite a log without these marks. Raises OSError."""
    with open(path, "rb") as file:
        rewrite(path, (_without(line, marks) for line in file))


def _without(line: bytes, marks: frozenset[bytes]) -> bytes:
    start = line.find(b"\x1e")
    while start >= 0:
        if line[start:] in marks:
            is_alone = line.count(b" ", 0, start) == 3 and line[start - 1 : start] == b" "
            return b"" if is_alone else line[:start] + b"\n"
        start = line.find(b"\x1e", start + 1)
    return line


def parse(line: bytes) -> tuple[Stream, bytes]:
    """Return the stream and what was written to it. A malformed line is returned unchanged."""
    _, _, rest = line.partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tag, _, content = rest.partition(b" ")
    if stream not in (b"stdout", b"stderr"):
        return "stderr", line + b"\n"
    ending = b"" if tag.split(b":", 1)[0] == b"P" else b"\n"
    return ("stdout" if stream == b"stdout" else "stderr"), content + ending


def joined(pieces: Iterable[tuple[Stream, bytes]]) -> list[tuple[Stream, bytes]]:
    """Return the pieces, with consecutive pieces of the same stream joined."""
    result: list[tuple[Stream, list[bytes]]] = []
    for stream, data in pieces:
        if result and result[-1][0] == stream:
            result[-1][1].append(data)
        else:
            result.append((stream, [data]))
    return [(stream, b"".join(parts)) for stream, parts in result]
