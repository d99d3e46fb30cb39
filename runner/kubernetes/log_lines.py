"""Assembles the lines of a container's log from streams that may be cut anywhere.

Rules:

- Kubelet puts a timestamp (RFC 3339 with nanoseconds) and a space before each line, and only there: a line that the
  container runtime stored in several pieces has one timestamp at its beginning.
- A line is returned once, when it is complete. A line longer than `longest` bytes is returned in pieces of exactly that
  length, so that two streams with the same line return the same pieces.
- A stream that is cut is resumed with ``sinceTime``, which has a resolution of one second. Lines that were returned
  before are recognized by their timestamp and content, and skipped. Lines of standard output and standard error may be
  stored slightly out of order, so the stream is resumed from one second earlier.

Pure. ``log_reader`` reads the streams.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from monopod.schemas.formats.timestamps import from_rfc3339, to_rfc3339

LONGEST_PIECE = 1024 * 1024
SLACK_SECONDS = 1

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) ")
_STORED_PIECE = 16 * 1024
"""The longest piece of a line that container runtimes store."""
_LONGEST_STAMP = 40
_Key: TypeAlias = tuple[bytes, int, bytes]  # the timestamp, the number of the piece in the line, the content's hash


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line with its newline, or a piece of a long one. ``at`` is when it was written, in seconds since the epoch."""

    at: float
    data: bytes


def without_inner_stamps(data: bytes) -> bytes:
    """Return a line without the timestamps that kubelets up to 1.26 put before each stored piece of a long one."""
    kept, rest = data[:_STORED_PIECE], data[_STORED_PIECE:]
    while rest and (match := _STAMP.match(rest)) is not None:
        kept += rest[match.end() : match.end() + _STORED_PIECE]
        rest = rest[match.end() + _STORED_PIECE :]
    return kept + rest


class LogLines:
    """Takes the streams of one container's log, one after another, and returns each line once."""

    def __init__(self, longest: int = LONGEST_PIECE) -> None:
        self.remark = ""
        """Text at the start of a stream without a timestamp: kubelet's message that it cannot read the log."""
        self._longest = longest
        self._buffer = bytearray()
        self._searched = 0
        self._stamp: bytes | None = None  # of the line in the buffer, once it was taken off
        self._at = 0.0
        self._piece = 0
        self._is_resumed = False
        self._latest: int | None = None
        self._given: dict[int, Counter[_Key]] = {}  # by second
        self._repeated: Counter[_Key] = Counter()

    def since(self) -> str | None:
        """Return the ``sinceTime`` of the request for the next stream; None: from the beginning."""
        if self._latest is None:
            return None
        return to_rfc3339(self._latest - SLACK_SECONDS)

    def begin(self) -> None:
        """Take the start of a new stream, which was requested with `since`."""
        self._buffer.clear()
        self._searched = 0
        self._stamp = None
        self._piece = 0
        self._is_resumed = self._latest is not None
        self._repeated = Counter()
        for counter in self._given.values():
            self._repeated.update(counter)

    def feed(self, data: bytes) -> list[LogLine]:
        """Return the lines, and pieces of long lines, that `data` completes and that were not returned before."""
        self._buffer += data
        lines: list[LogLine] = []
        while self._take_stamp():
            end = self._buffer.find(b"\n", self._searched, self._longest)
            if end >= 0:
                self._give(end + 1, lines)
                self._stamp = None
            elif len(self._buffer) >= self._longest:
                self._give(self._longest, lines)
                self._piece += 1
            else:
                self._searched = len(self._buffer)
                break
        return lines

    def end(self) -> list[LogLine]:
        """Return the rest, a line without a newline, when the container's log has ended for good."""
        lines: list[LogLine] = []
        if self._buffer and self._take_stamp():
            self._give(len(self._buffer), lines)
        else:
            self._remark(self._buffer)
        return lines

    def _take_stamp(self) -> bool:
        """Remove the timestamp from the line that begins now; return whether the line's text follows."""
        while self._stamp is None:
            match = _STAMP.match(self._buffer)
            if match is not None:
                self._start_line(match[0])
            elif b"\n" in self._buffer:  # the end of a line whose start was returned before, or a remark of kubelet's
                end = self._buffer.index(b"\n") + 1
                self._skip(end)
            else:
                if len(self._buffer) > _LONGEST_STAMP:
                    self._remark(self._buffer)
                return False
        return True

    def _start_line(self, stamp: bytes) -> None:
        del self._buffer[: len(stamp)]
        self._searched = self._piece = 0
        self._stamp = stamp
        with contextlib.suppress(ValueError):  # an invalid time of day: the previous time is near enough
            self._at = from_rfc3339(stamp.decode().strip())

    def _skip(self, end: int) -> None:
        self._remark(self._buffer[:end])
        del self._buffer[:end]

    def _remark(self, text: bytearray) -> None:
        if not (self._is_resumed or self.remark or not text):
            self.remark = " ".join(text[:500].decode(errors="replace").split())

    def _give(self, length: int, lines: list[LogLine]) -> None:
        """Take `length` bytes of text from the buffer, and add them to `lines` unless they were returned before."""
        assert self._stamp is not None
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._searched = 0
        key = (self._stamp, self._piece, blake2b(data, digest_size=16).digest())
        if self._repeated[key]:
            self._repeated[key] -= 1
            return
        self._note(key)
        lines.append(LogLine(self._at, data))

    def _note(self, key: _Key) -> None:
        second = int(self._at)
        self._given.setdefault(second, Counter())[key] += 1
        if self._latest is None or second > self._latest:
            self._latest = second
            for old in [earlier for earlier in self._given if earlier < second - SLACK_SECONDS]:
                del self._given[old]
