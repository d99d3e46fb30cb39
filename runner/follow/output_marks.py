"""The marks at the end of each request's output, as a reader finds them (docs/control-directory.md, "Marks").

Which mark is true is known once the coordinator has reported its token. Before that, any line of that form may be one.
"""

from __future__ import annotations

import re

BEGINNING = b"\x1emonopod "
_DIGITS = 32
LENGTH = len(BEGINNING) + _DIGITS + 1

_MARK = re.compile(re.escape(BEGINNING) + rb"[0-9a-f]{%d}\n" % _DIGITS)
_LAST_MARK = re.compile(rb"%s\Z" % _MARK.pattern)


def mark(token: str) -> bytes:
    """Return the mark with a token."""
    return BEGINNING + token.encode() + b"\n"


def possible_marks(data: bytes) -> list[bytes]:
    """Return all complete lines that may be marks, in order."""
    return _MARK.findall(data) if BEGINNING in data else []


def find(data: bytes) -> tuple[int, bool]:
    """Return where a possible mark begins (without one, the end of `data`), and whether it is complete."""
    first = data.find(b"\x1e")  # much faster than the pattern
    if first < 0:
        return len(data), False
    found = _MARK.search(data, first)
    if found is not None:
        return found.start(), True
    start = data.rfind(b"\x1e", max(0, len(data) - LENGTH + 1))
    return (start, False) if start >= 0 and _may_begin(data[start:]) else (len(data), False)


def find_true(data: bytes, wanted: bytes) -> tuple[int, bool]:
    """Return the same for one certain mark or title."""
    start = data.find(wanted)
    if start >= 0:
        return start, True
    start = data.find(wanted[:1], max(0, len(data) - len(wanted) + 1))
    while start >= 0 and not wanted.startswith(data[start:]):
        start = data.find(wanted[:1], start + 1)
    return (start, False) if start >= 0 else (len(data), False)


def without_marks(data: bytes) -> bytes:
    """Return a log without anything that looks like a mark."""
    return _MARK.sub(b"", data)


def without_last_mark(data: bytes) -> bytes:
    """Return output without the mark at its end, if one is there."""
    return _LAST_MARK.sub(b"", data)


def _may_begin(tail: bytes) -> bool:
    """Whether a mark may begin with these bytes, which are fewer than it has."""
    beginning = tail[: len(BEGINNING)]
    digits = tail[len(BEGINNING) :]
    return BEGINNING.startswith(beginning) and not digits.strip(b"0123456789abcdef")
