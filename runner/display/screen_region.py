"""A region at the bottom of a terminal that is redrawn in place, below lines that scroll by.

Rules:

- No flicker: unchanged rows are not written, and nothing is erased that the same write does not replace. Each write is
  enclosed in "synchronized output" sequences, so that the terminal shows it at once. Other terminals ignore them.
- Lines are never cut: the terminal wraps them, and they remain when the region is removed.
- Some terminals reflow the rows on the screen when they become narrower. On terminals known to do so, all rows are
  found and replaced. On others, parts of old rows may remain, but no line above is ever lost.
- Only sequences that every terminal supports: carriage return, cursor up, erase to the end of the screen.

Rows must be shorter than the terminal is wide.
"""

from __future__ import annotations

import codecs
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import IO, BinaryIO, TextIO, cast

from rich.cells import cell_len

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_BELOW = "\x1b[J"
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")

_REFLOW_VARIABLES = (
    "TMUX",
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "ALACRITTY_WINDOW_ID",
    "WEZTERM_PANE",
    "WT_SESSION",
    "ITERM_SESSION_ID",
    "GHOSTTY_RESOURCES_DIR",
)
"""Variables set by terminals that reflow."""
_REFLOW_PROGRAMS = ("Apple_Terminal", "ghostty", "iTerm.app", "vscode", "WezTerm")
"""Values of TERM_PROGRAM of terminals that reflow."""
_REFLOW_TERMS = ("alacritty", "foot", "ghostty", "kitty", "konsole", "tmux", "vte", "wezterm")
"""Prefixes of TERM, after an optional ``xterm-``, of terminals that reflow. TERM passes through ssh."""


def reflows(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to reflow its content when its width changes."""
    kind = environment.get("TERM", "").removeprefix("xterm-")
    return (
        any(environment.get(name) for name in _REFLOW_VARIABLES)
        or environment.get("TERM_PROGRAM") in _REFLOW_PROGRAMS
        or kind.startswith(_REFLOW_TERMS)
    )


class ScreenRegion:
    """Draws on a terminal. Between writes, the cursor is hidden at the end of the last row."""

    def __init__(self, stream: IO[str], *, reflows: bool = False) -> None:
        self._stream = stream
        self._binary = _binary(stream)
        self._reflows = reflows
        self._rows: tuple[str, ...] = ()
        self._used: list[int] = []  # cells written in each row
        self._size = (0, 0)

    def draw(self, lines: Sequence[bytes], rows: Sequence[str], size: tuple[int, int]) -> None:
        """Write `lines` in UTF-8, then `rows` as the region below them. `size`: columns and rows of the terminal."""
        rows = tuple(rows)
        resized = size != self._size and bool(self._rows)
        if not lines and not resized and self._rows == rows:
            return
        start = (_HIDE_CURSOR if rows and not self._rows else "") + self._to_top(size[0])
        if lines or resized:
            self._write(start + _ERASE_BELOW, lines, "\n".join(rows))
            self._used = [_cells(row) for row in rows]
        else:
            self._write(start, (), self._changed(rows))
        self._rows, self._size = rows, size

    def clear(self, lines: Sequence[bytes] = ()) -> None:
        """Replace the region with `lines` and show the cursor again."""
        if self._rows or lines:
            self._write(self._to_top(self._size[0]) + _ERASE_BELOW, lines, _SHOW_CURSOR if self._rows else "")
        self._stream.flush()
        self.forget()

    def forget(self) -> None:
        """Forget the region: something else was written to the terminal. The next one begins at the cursor."""
        self._rows, self._used = (), []

    def _to_top(self, columns: int) -> str:
        if self._reflows:
            up = sum(max(math.ceil(used / max(columns, 1)), 1) for used in self._used) - 1
        else:
            up = len(self._rows) - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "")

    def _changed(self, rows: Sequence[str]) -> str:
        """Return the text that turns the current rows into `rows`, starting at the first one."""
        before = [*self._rows, *[""] * (len(rows) - len(self._rows))]
        used = [*self._used, *[0] * (len(rows) - len(self._used))]
        written = []
        for number, (row, old) in enumerate(zip(rows, before, strict=False)):
            cells = _cells(row)
            is_last = number == len(rows) - 1
            written.append("" if row == old and not is_last else row + " " * (used[number] - cells))
            used[number] = max(used[number], cells)
        self._used = used[: len(rows)]
        return "\n".join(written) + (_ERASE_BELOW if len(rows) < len(self._rows) else "")

    def _write(self, start: str, lines: Sequence[bytes], end: str) -> None:
        """Write everything in one write, and do not decode lines that the stream would only encode again."""
        data = b"".join([f"{_BEGIN}{start}".encode(), *(line + b"\n" for line in lines), f"{end}{_END}".encode()])
        if self._binary is None:
            self._stream.write(data.decode())
        else:
            self._stream.flush()
            self._binary.write(data)
        self._stream.flush()


def _binary(stream: IO[str]) -> BinaryIO | None:
    """Return the stream below a text stream that only encodes to UTF-8."""
    is_utf_8 = isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "utf-8"
    return cast(TextIO, stream).buffer if is_utf_8 else None


def _cells(row: str) -> int:
    return cell_len(_COLOUR.sub("", row))
