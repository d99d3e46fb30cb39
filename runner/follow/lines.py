"""Lines of text out of the bytes that a container writes.

Rules:

- Any division of the same bytes into chunks gives the same lines.
- A line ends with a newline. What a carriage return would have overwritten on a terminal is left out, so a progress bar
  is its last state; a carriage return before a newline means nothing.
- A line longer than `LONGEST_LINE` bytes comes in several pieces, so memory stays bounded for any output of a Step.
- A line that asks to mask a value (``masks``) stays whole up to `LONGEST_REQUEST` bytes. The rest of it is left out,
  since it belongs to a secret. Such a line is followed even if a carriage return overwrites it.
- Bytes that are not UTF-8 become U+FFFD.
- A long line is not cut inside a secret. A piece may be a little longer for that, and if a secret overlaps itself
  there, the next piece begins with it again.
- Much output costs little per line: ordinary lines are decoded together, and stay together in one text (`feed_text`).

What is left to others: whose line it is (``follower``), and what of it may go to a terminal (``printable``).
"""

from __future__ import annotations

from monopod.runner.masking.masks import LONGEST_REQUEST, Masks, begins_request

LONGEST_LINE = 64 * 1024


def prefixed(text: str, prefix: str) -> str:
    """Return lines that are joined by newlines with a prefix before each."""
    return prefix + text.replace("\n", f"\n{prefix}")


def prefixed_bytes(text: str, prefix: str) -> bytes:
    """Return the same in UTF-8. Each lone surrogate becomes a question mark.

    This is much faster if only the prefix is not ASCII, because Python would first widen the whole text.
    """
    before = prefix.encode(errors="replace")
    return before + text.encode(errors="replace").replace(b"\n", b"\n" + before)


class LineSplitter:
    """Takes bytes in chunks and gives lines, without their newlines. No secret of `masks` is cut."""

    def __init__(self, longest: int = LONGEST_LINE, masks: Masks | None = None) -> None:
        self._longest = longest
        self._masks = Masks() if masks is None else masks
        self._partial = bytearray()
        self._returned = False  # a carriage return came last: the next byte restarts the line
        self._cut = False  # pieces of this line are out already
        self._hides = False  # the rest of this line is left out

    def feed(self, data: bytes) -> list[str]:
        """Return the lines (or pieces of very long ones) that `data` completes."""
        text = self.feed_text(data)
        return [] if text is None else text.split("\n")

    def feed_text(self, data: bytes) -> str | None:
        """Return the same lines as one text, joined by newlines; None if there are none."""
        if not self._is_ordinary(data):
            lines = self._cut_lines(data)
            return "\n".join(lines) if lines else None
        end = data.rfind(b"\n")
        if end < 0:
            self._partial += data
            return None
        text = bytes(self._partial) + data[:end]
        self._partial = bytearray(data[end + 1 :])
        self._masks.learn(text)
        return text.decode(errors="replace")

    def _cut_lines(self, data: bytes) -> list[str]:
        lines: list[str] = []
        first, *others = data.split(b"\n")
        self._extend(first, lines)
        for part in others:
            self._end_line(lines)
            self._extend(part, lines)
        return lines

    def finish(self) -> list[str]:
        """Return what is left when no more bytes will come: one line without its newline, or nothing."""
        lines: list[str] = []
        if self._partial:
            self._end_line(lines)
        self._cut = self._returned = self._hides = False
        return lines

    def _is_ordinary(self, data: bytes) -> bool:
        """Return whether there is nothing but lines to split: nearly always, so this is the short way."""
        if self._returned or self._cut or b"\r" in data:
            return False
        start, room = 0, self._longest - len(self._partial)
        while len(data) - start > room:
            end = data.rfind(b"\n", start, start + room + 1)
            if end < 0:
                return False
            start, room = end + 1, self._longest
        return True

    def _extend(self, part: bytes, lines: list[str]) -> None:
        for number, segment in enumerate(part.split(b"\r")):
            if number:
                self._returned = True
            if segment:
                self._append(segment, lines)

    def _append(self, segment: bytes, lines: list[str]) -> None:
        if self._returned:
            self._masks.learn(self._partial)
            self._partial.clear()
            self._returned = self._hides = False
        if self._hides:
            return
        self._partial += segment
        most = self._longest + self._masks.margin
        if len(self._partial) <= most:
            return
        if not self._cut and begins_request(self._partial):
            self._end_request(lines)
            return
        start = 0
        while len(self._partial) - start > most:
            boundary = self._character_boundary(start, start + self._longest)
            end, following = self._masks.safe_cut(self._partial, start, boundary)
            lines.append(self._partial[start:end].decode(errors="replace"))
            start = following
        del self._partial[:start]
        self._cut = True

    def _end_request(self, lines: list[str]) -> None:
        """End a line that asks to mask a value, if it is too long."""
        if len(self._partial) > LONGEST_REQUEST:
            del self._partial[self._character_boundary(0, LONGEST_REQUEST) :]
            self._masks.cut_request()
            self._end_line(lines)
            self._cut = self._hides = True

    def _character_boundary(self, start: int, end: int) -> int:
        """Return the last position up to `end` that is not inside a UTF-8 character, or `end` if there is none near."""
        for position in range(end, max(end - 4, start), -1):
            if self._partial[position] & 0xC0 != 0x80:  # not a continuation byte
                return position
        return end

    def _end_line(self, lines: list[str]) -> None:
        if self._partial or not self._cut:
            self._masks.learn(self._partial)
            lines.append(self._partial.decode(errors="replace"))
        self._partial.clear()
        self._cut = self._returned = self._hides = False
