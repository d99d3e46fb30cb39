"""The lower part of a terminal that is drawn again and again, and the lines that scroll by above it.

Rules:

- No flicker: what stays is not blanked first, a row that did not change is not written, and one drawing is one write,
  in brackets that let a terminal show it at once ("synchronized output"; those that do not know them ignore them).
- Lines are never cut: the terminal wraps them, and they stay when the region is gone.
- Only what every terminal knows: carriage return, cursor up, erase to the end of the line and of the screen.

Rows must be shorter than the terminal is wide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO

from rich.cells import cell_len

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class ScreenRegion:
    """Draws on a terminal. Between drawings the cursor is at the end of the last row, and hidden."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._rows: tuple[str, ...] = ()
        self._size = (0, 0)

    def draw(self, lines: Sequence[str], rows: Sequence[str], size: tuple[int, int]) -> None:
        """Write `lines`, and below them `rows` as the region, on a terminal of so many columns and rows."""
        rows = tuple(rows)
        resized = size != self._size and bool(self._rows)
        if not lines and not resized and self._rows == rows:
            return
        start = (_HIDE_CURSOR if rows and not self._rows else "") + self._to_top()
        if resized or len(lines) > size[1] or not all(_is_short(line, size[0]) for line in lines):
            text = _ERASE_BELOW + "".join(f"{line}\n" for line in lines) + "\n".join(rows)
        elif lines:
            text = "".join(f"{line}{_ERASE_LINE}\n" for line in lines)
            text += "\n".join(f"{row}{_ERASE_LINE}" for row in rows) + _ERASE_BELOW
        else:
            text = self._changed(rows)
        self._write(start + text)
        self._rows, self._size = rows, size

    def clear(self, lines: Sequence[str] = ()) -> None:
        """Write `lines` in place of the region, and show the cursor again."""
        if self._rows or lines:
            self._write("".join([self._to_top(), _ERASE_BELOW, *(f"{line}\n" for line in lines)]))
        if self._rows:
            self._stream.write(_SHOW_CURSOR)
        self._stream.flush()
        self._rows = ()

    def _to_top(self) -> str:
        up = len(self._rows) - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "")

    def _changed(self, rows: Sequence[str]) -> str:
        """Return what turns the rows that are there into `rows`, with the cursor at the start of the first one."""
        before = [*self._rows, *[None] * (len(rows) - len(self._rows))]
        written = [
            "" if row == old and number < len(rows) - 1 else f"{row}{_ERASE_LINE}"
            for number, (row, old) in enumerate(zip(rows, before, strict=False))
        ]
        return "\n".join(written) + (_ERASE_BELOW if len(rows) < len(self._rows) else "")

    def _write(self, text: str) -> None:
        self._stream.write(f"{_BEGIN}{text}{_END}")
        self._stream.flush()


def _is_short(line: str, columns: int) -> bool:
    """Return whether a line surely takes one row."""
    return "\t" not in line and cell_len(_COLOUR.sub("", line)) < columns
