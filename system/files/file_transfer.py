"""Carries the segments of a tree (``tree_reading``) over a connection that may break.

The receiver begins: it reports how many segments it has, and again after each segment. The sender sends the others,
then how many there are. A frame is a letter, the length of the rest (4 bytes, big endian), and the rest:

| letter | from | the rest |
| --- | --- | --- |
| `h` have | receiver | the number of segments that it has (4 bytes) |
| `s` segment | sender | SHA-256 of the segment, and the segment compressed by zlib |
| `w` wait | sender | nothing: it reads the segments that the receiver has |
| `e` end | sender | the number of segments, and SHA-256 of all their digests |
| `d` done | receiver | a text: everything was received and is in place |
| `f` failed | both | a text: why it cannot be done |
| `c` changed | both | a text: the files changed; the copy must begin again |

Rules:

- A segment is written only if its digest is right, and counts only once it is written. The whole is complete only if
  the digest of all digests is right. After a broken connection the sender reads the files again and skips the segments
  that the receiver has; if the files have changed meanwhile, the digests differ, and the copy begins again.
- At most `WINDOW` segments are on their way, so neither side holds more in memory.
- A side that receives nothing for `QUIET_SECONDS` counts the connection as broken.

Left to others: the connections (`Channel`), repeating a copy, reading and writing files.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from monopod.system.files.tar_entries import BLOCK
from monopod.system.files.tree_reading import SEGMENT_BYTES, ChangedError, UnreadableError

WINDOW: Final = 8
QUIET_SECONDS: Final = 60.0
_HEAD = struct.Struct(">cI")
_COUNT = struct.Struct(">I")
_DIGEST_BYTES = 32
_SKIPPED_AT_ONCE = 64
_REST_SECONDS = 1.0
_SAMPLE_BYTES = 16 * 1024
_CHANGED = "the files have changed since the copy began"
_LONGEST_SEGMENT = SEGMENT_BYTES + 64 * BLOCK
"""The last part of a segment may be as long as a segment; its path and target follow from what the kernel takes."""
_LONGEST_FRAME = _LONGEST_SEGMENT + _LONGEST_SEGMENT // 100 + 1024


class BrokenError(Exception):
    """The connection broke, or what came over it is not what was sent. The copy can continue over another one."""


class FailedError(Exception):
    """The other side cannot do it. The text says why."""


class Channel(Protocol):
    """A connection to the other side."""

    def write(self, data: bytes) -> None:
        """Send data. Raises BrokenError."""

    def read(self, seconds: float) -> bytes | None:
        """Return what has come; None if nothing has come for so long, empty at the end. Raises BrokenError."""


class _Frame(NamedTuple):
    kind: bytes
    rest: bytes


class _Frames:
    """The frames on a channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._buffer = bytearray()

    def write(self, kind: bytes, rest: bytes) -> None:
        self._channel.write(_HEAD.pack(kind, len(rest)) + rest)

    def poll(self) -> _Frame | None:
        """Return the next frame, if it has come. Raises BrokenError."""
        while (frame := self._take()) is None:
            data = self._channel.read(0)
            if data is None:
                return None
            self._feed(data)
        return frame

    def read(self) -> _Frame:
        """Return the next frame. Raises BrokenError; FailedError and ChangedError if the other side has failed."""
        while (frame := self._take()) is None:
            data = self._channel.read(QUIET_SECONDS)
            if data is None:
                raise BrokenError(f"nothing was received for {QUIET_SECONDS:.0f} seconds")
            self._feed(data)
        return frame

    def read_rest(self) -> None:
        """Read what a side that has broken the connection sent before. Raises FailedError, ChangedError if it did."""
        with contextlib.suppress(BrokenError):
            while True:
                while self._take() is not None:
                    pass
                self._feed(self._channel.read(_REST_SECONDS) or b"")

    def _feed(self, data: bytes) -> None:
        if not data:
            raise BrokenError("the connection ended too early")
        self._buffer += data

    def _take(self) -> _Frame | None:
        if len(self._buffer) < _HEAD.size:
            return None
        kind, length = _HEAD.unpack_from(self._buffer)
        if length > _LONGEST_FRAME:
            raise BrokenError("what was received is not a copy of files")
        if len(self._buffer) < _HEAD.size + length:
            return None
        frame = _Frame(kind, bytes(self._buffer[_HEAD.size : _HEAD.size + length]))
        del self._buffer[: _HEAD.size + length]
        if frame.kind == b"f":
            raise FailedError(frame.rest.decode(errors="replace"))
        if frame.kind == b"c":
            raise ChangedError(frame.rest.decode(errors="replace"))
        return frame


def send(
    channel: Channel, segments: Iterable[bytes], sent: list[bytes], report: Callable[[int], None] = lambda _: None
) -> str:
    """Send segments and return what the receiver says at the end.

    `sent` are the digests of the segments that were sent before, over another channel; further ones are added. `report`
    gets the number of bytes whenever the receiver has some more.

    Raises BrokenError, FailedError, ChangedError, UnreadableError.
    """
    return _Sending(channel, sent, report).run(segments)


class _Sending:
    def __init__(self, channel: Channel, sent: list[bytes], report: Callable[[int], None]) -> None:
        self._frames = _Frames(channel)
        self._sent = sent
        self._report = report
        self._lengths: list[int] = []  # of the segments that the receiver may not have yet
        self._had = self._received = 0

    def run(self, segments: Iterable[bytes]) -> str:
        self._take(self._frames.read())
        try:
            return self._run(segments)
        except ChangedError as error:
            self._report_failure(b"c", str(error))
            raise
        except UnreadableError as error:
            self._report_failure(b"f", str(error))
            raise
        except BrokenError:
            self._frames.read_rest()
            raise

    def _run(self, segments: Iterable[bytes]) -> str:
        skipped, count = self._had, 0
        self._had = 0
        for segment in segments:
            self._note(count, segment)
            if count >= skipped:
                self._frames.write(b"s", self._sent[count] + _compressed(segment))
            else:
                self._has(count + 1)
                if count % _SKIPPED_AT_ONCE == 0:
                    self._frames.write(b"w", b"")
            count += 1
            self._await(count - WINDOW)
        if count < len(self._sent) or count < skipped:
            raise ChangedError(_CHANGED)
        self._frames.write(b"e", _COUNT.pack(count) + sha256(b"".join(self._sent)).digest())
        while (frame := self._frames.read()).kind != b"d":
            self._take(frame)
        return frame.rest.decode(errors="replace")

    def _note(self, number: int, segment: bytes) -> None:
        digest = sha256(segment).digest()
        self._lengths.append(len(segment))
        if number == len(self._sent):
            self._sent.append(digest)
        elif digest != self._sent[number]:
            raise ChangedError(_CHANGED)

    def _await(self, least: int) -> None:
        """Read what the receiver has reported; wait until it has at least so many segments."""
        while (frame := self._frames.poll()) is not None:
            self._take(frame)
        while self._had < least:
            self._take(self._frames.read())

    def _take(self, frame: _Frame) -> None:
        if frame.kind != b"h" or len(frame.rest) != _COUNT.size:
            raise BrokenError("what was received is not an answer to a copy of files")
        self._has(*_COUNT.unpack(frame.rest))

    def _has(self, had: int) -> None:
        """Take how many segments the receiver has."""
        new, self._lengths = self._lengths[: had - self._had], self._lengths[had - self._had :]
        self._had = had
        self._received += sum(new)
        self._report(self._received)

    def _report_failure(self, kind: bytes, why: str) -> None:
        with contextlib.suppress(BrokenError):  # the other side notices that too
            self._frames.write(kind, why.encode(errors="replace"))


class Receiver(Protocol):
    """Takes what `receive` receives."""

    @property
    def digests(self) -> list[bytes]:
        """The digests of the segments that it has."""

    def take(self, digest: bytes, segment: bytes) -> None:
        """Write a segment, then add its digest. Raises OSError, MalformedError."""

    def finish(self) -> str:
        """Take that all segments are there, and return a text for the sender. Raises OSError, FailedError."""


def receive(channel: Channel, receiver: Receiver) -> str:
    """Receive segments to the end, and return the text for the sender.

    Raises BrokenError, FailedError and ChangedError, and what the receiver raises.
    """
    frames = _Frames(channel)
    _report_count(frames, receiver)
    while True:
        frame = frames.read()
        if frame.kind == b"s":
            digest, compressed = frame.rest[:_DIGEST_BYTES], frame.rest[_DIGEST_BYTES:]
            receiver.take(digest, _checked(digest, compressed))
            _report_count(frames, receiver)
        elif frame.kind == b"w":
            pass
        elif frame.kind == b"e" and len(frame.rest) == _COUNT.size + _DIGEST_BYTES:
            expected = _COUNT.pack(len(receiver.digests)) + sha256(b"".join(receiver.digests)).digest()
            if frame.rest != expected:
                frames.write(b"c", _CHANGED.encode())
                raise ChangedError(_CHANGED)
            text = receiver.finish()
            frames.write(b"d", text.encode())
            return text
        else:
            raise BrokenError("what was received is not a copy of files")


def _report_count(frames: _Frames, receiver: Receiver) -> None:
    """Report how many segments the receiver has. A sender that is gone may have said why."""
    try:
        frames.write(b"h", _COUNT.pack(len(receiver.digests)))
    except BrokenError:
        frames.read_rest()
        raise


def refuse(channel: Channel, why: str) -> None:
    """Report to the other side that it cannot be done. Raises BrokenError."""
    _Frames(channel).write(b"f", why.encode(errors="replace"))


def _compressed(segment: bytes) -> bytes:
    """Return a segment compressed, or only wrapped if it looks as if it was compressed already."""
    middle = len(segment) // 2
    sample = segment[middle : middle + _SAMPLE_BYTES]
    is_worth_it = len(zlib.compress(sample, 1)) < len(sample) * 9 // 10
    return zlib.compress(segment, 1 if is_worth_it else 0)


def _checked(digest: bytes, compressed: bytes) -> bytes:
    """Return a segment. Raises BrokenError if it is not the segment that was sent."""
    inflater = zlib.decompressobj()
    try:
        segment = inflater.decompress(compressed, _LONGEST_SEGMENT)
    except zlib.error as error:
        raise BrokenError("a segment is damaged") from error
    if not inflater.eof or sha256(segment).digest() != digest:
        raise BrokenError("a segment is damaged")
    return segment
