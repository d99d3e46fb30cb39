"""The lower part of a terminal that is drawn again and again, and the lines that scroll by above it.

Rules:

- No flicker: a row that did not change is not written, nothing is blanked that is not written over in the same write,
  and each write is in brackets that let a terminal show it at once ("synchronized output"; others ignore them).
- Lines are never cut: the terminal wraps them, and they stay when the region is gone.
- When the terminal becomes narrower, some terminals wrap the rows that are there anew. Where that is known, they are
  all found and replaced; elsewhere a part of them may stay, but no line above is ever lost.
- Only what every terminal knows: carriage return, cursor up, erase to the end of the screen.

Rows must be shorter than the terminal is wide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import IO

from rich.cells import cell_len

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_BELOW = "\x1b[J"
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")

_WRAPPING_ANEW = (
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
"""Variables by which terminals tell that it is them, those that wrap anew what is on the screen."""
_PROGRAMS_WRAPPING_ANEW = ("Apple_Terminal", "ghostty", "iTerm.app", "vscode", "WezTerm")
"""What such terminals say in TERM_PROGRAM."""
_KINDS_WRAPPING_ANEW = ("alacritty", "foot", "ghostty", "kitty", "konsole", "tmux", "vte", "wezterm")
"""What the values of TERM begin with that such terminals have, maybe after ``xterm-``. These pass through ssh."""


def wraps_anew(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to wrap anew what is on it when its width changes."""
    kind = environment.get("TERM", "").removeprefix("xterm-")
    return (
        any(environment.get(name) for name in _WRAPPING_ANEW)
        or environment.get("TERM_PROGRAM") in _PROGRAMS_WRAPPING_ANEW
        or kind.startswith(_KINDS_WRAPPING_ANEW)
    )


class ScreenRegion:
    """Draws on a terminal. Between drawings the cursor is at the end of the last row, and hidden."""

    def __init__(self, stream: IO[str], *, wraps_anew: bool = False) -> None:
        self._stream = stream
        self._wraps_anew = wraps_anew
        self._rows: tuple[str, ...] = ()
        self._used: list[int] = []  # cells of each row that were written
        self._size = (0, 0)

    def draw(self, lines: Sequence[str], rows: Sequence[str], size: tuple[int, int]) -> None:
        """Write `lines`, and below them `rows` as the region, on a terminal of so many columns and rows."""
        rows = tuple(rows)
        resized = size != self._size and bool(self._rows)
        if not lines and not resized and self._rows == rows:
            return
        start = (_HIDE_CURSOR if rows and not self._rows else "") + self._to_top(size[0])
        if lines or resized:
            text = _ERASE_BELOW + "".join(f"{line}\n" for line in lines) + "\n".join(rows)
            self._used = [_cells(row) for row in rows]
        else:
            text = self._changed(rows)
        self._write(start + text)
        self._rows, self._size = rows, size

    def clear(self, lines: Sequence[str] = ()) -> None:
        """Write `lines` in place of the region, and show the cursor again."""
        if self._rows or lines:
            text = self._to_top(self._size[0]) + _ERASE_BELOW + "".join(f"{line}\n" for line in lines)
            self._write(text + (_SHOW_CURSOR if self._rows else ""))
        self._stream.flush()
        self.forget()

    def forget(self) -> None:
        """Take that something else was written to the terminal meanwhile: the region begins where the cursor is."""
        self._rows, self._used = (), []

    def _to_top(self, columns: int) -> str:
        if self._wraps_anew:
            up = sum(max(math.ceil(used / max(columns, 1)), 1) for used in self._used) - 1
        else:
            up = len(self._rows) - 1
        return "\r" + (f"\x1b[{up}A" if up > 0 else "")

    def _changed(self, rows: Sequence[str]) -> str:
        """Return what turns the rows that are there into `rows`, with the cursor at the start of the first one."""
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

    def _write(self, text: str) -> None:
        self._stream.write(f"{_BEGIN}{text}{_END}")
        self._stream.flush()


def _cells(row: str) -> int:
    return cell_len(_COLOUR.sub("", row))
