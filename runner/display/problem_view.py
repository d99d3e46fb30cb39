"""A problem on a terminal: wrapped, in colour, with its source line and a caret.

Rules:

- The first line begins with file:line:column, as in compilers, so that terminals turn it into a link. A problem with
  a whole file begins with its name.
- The caret marks the reference or placeholder that the message quotes, searched from the position on. The position of
  a block scalar is its first line.
- Columns are counted as on the terminal: tab stops are four columns apart, and wide characters take two columns. A long
  line is cut around the caret.
- Source lines are read again from the file, if it is a regular file of acceptable size. Pipes have no source lines.

Without a terminal, ``problem_report`` prints the problem on one line.
"""

from __future__ import annotations

import os
import re
import stat
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from monopod.compiler.diagnostics import Position, Problem, Severity
from monopod.compiler.documents.yaml_files import MAX_BYTES
from monopod.runner.display.printable import printable
from monopod.runner.display.status_styles import styled

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
_REFERENCE = re.compile(r"\$\([^)]*\)|\$\{\{[^}]*\}\}|\$\{[^}]*\}|\{\{[^}]*\}\}|<no value>")
_WORD = re.compile(r"""\"(?:\\.|[^"\\])*\"|'(?:''|[^'])*'|\$\([^)]*\)|[^\s,\[\]{}:]+""")
_TAB = 4
_NARROWEST = 20
_MOST_LINES = 2000
"""How many lines below the position are searched for the text that a message quotes."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What a caret marks: a line number from 1, and a range of characters."""

    line: int
    start: int
    end: int


@dataclass(slots=True)
class ProblemView:
    """Renders problems for a terminal of `width` columns. Each source file is read once."""

    width: int
    colours: bool
    _lines: dict[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str]) -> ProblemView | None:
        """Return a view for a terminal; None if the stream is not a terminal."""
        if not stream.isatty():
            return None
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except OSError:
            width = 0
        colours = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        return cls(max(width or 80, _NARROWEST), colours)

    def render(self, problem: Problem, suffix: str = "") -> str:
        """Return the lines of a problem. `suffix` follows its message."""
        return "\n".join([*self._message(problem, suffix), *self._source(problem)])

    def _message(self, problem: Problem, suffix: str) -> list[str]:
        at = printable(str(problem.position), colours=False) + ": " if problem.position is not None else ""
        head = f"{at}{problem.severity}: "
        text = printable(f"{head}{problem.message}{suffix}", colours=False)
        lines = textwrap.wrap(
            text, self.width, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        ) or [text]
        start = printable(head, colours=False).rstrip()
        if self.colours and lines[0].startswith(start):
            marked = styled(at, "bold") + styled(f"{problem.severity}:", _STYLES[problem.severity])
            lines[0] = marked + lines[0][len(start) :]
        return lines

    def _source(self, problem: Problem) -> list[str]:
        if problem.position is None:
            return []
        lines = self._lines_of(problem.position.file)
        marked = spot(problem.position, problem.message, lines)
        if marked is None:
            return []
        number = f"{marked.line:5} | "
        line, start, width = _cut(lines[marked.line - 1], marked, self.width - len(number))
        if not line.strip():
            return []
        caret = "^" + "~" * (width - 1)
        colour = _STYLES[problem.severity] if self.colours else ""
        bar = " " * (len(number) - 2) + "| "
        dim = "dim" if self.colours else ""
        return [styled(number, dim) + line, styled(bar, dim) + " " * start + styled(caret, colour)]

    def _lines_of(self, file: str) -> Sequence[str]:
        if file not in self._lines:
            self._lines[file] = _read(file)
        return self._lines[file]


def _read(file: str) -> Sequence[str]:
    """Return the lines of a file; none if it is not a regular file, is too large, or cannot be read."""
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return ()
        with open(file, encoding="utf-8-sig", errors="replace", newline=None) as stream:
            return stream.read().split("\n")
    except (OSError, ValueError):
        return ()


def spot(position: Position, message: str, lines: Sequence[str]) -> Spot | None:
    """Return what the caret marks; None if the position is outside the lines."""
    if not 1 <= position.line <= len(lines):
        return None
    column = position.column - 1
    quoted = _REFERENCE.search(message)
    if quoted is not None:
        first = lines[position.line - 1].find(quoted[0], column)
        if first >= 0:
            return Spot(position.line, first, first + len(quoted[0]))
        if lines[position.line - 1][column : column + 1] in {"|", ">"}:
            for number in range(position.line, min(len(lines), position.line + _MOST_LINES)):
                first = lines[number].find(quoted[0])
                if first >= 0:
                    return Spot(number + 1, first, first + len(quoted[0]))
    line = lines[position.line - 1]
    word = _WORD.match(line, column)
    return Spot(position.line, column, max(word.end() if word is not None else 0, column + 1))


def _cut(line: str, spot: Spot, width: int) -> tuple[str, int, int]:
    """Return the part of a line that fits in `width` columns, and the column and the width of the caret."""
    before = _shown(line[: spot.start])
    marked = _shown(line[spot.start : spot.end], cell_len(before)) or " "
    after = _shown(line[spot.end :], cell_len(before) + cell_len(marked))
    start, length = cell_len(before), cell_len(marked)
    if start + length + cell_len(after) <= width:
        return (before + marked + after).rstrip(), start, length
    length = min(length, max(width // 2, 1))
    room = max(width - length, 0)
    left = min(start, max(room // 2, room - cell_len(after)))
    if left < start:
        before = "…" + _last_cells(before, left - 1) if left > 0 else ""
        start = cell_len(before)
    rest = before + marked + after
    shown = rest if cell_len(rest) <= width else set_cell_size(rest, max(width - 1, 0)) + "…"
    return shown.rstrip(), start, max(min(length, width - start), 1)


def _shown(text: str, column: int = 0) -> str:
    """Return a text with spaces instead of tabs and without control characters. `column` is where it begins."""
    result = ""
    for part in re.split(r"(\t)", text):
        if part == "\t":
            result += " " * (_TAB - (column + cell_len(result)) % _TAB)
        else:
            result += printable(part, colours=False)
    return result


def _last_cells(text: str, cells: int) -> str:
    """Return the last `cells` columns of a text, with a space instead of half a wide character."""
    start, left = len(text), cells
    while start > 0 and left >= (size := cell_len(text[start - 1])):
        left -= size
        start -= 1
    return " " * left + text[start:] if cells > 0 else ""
