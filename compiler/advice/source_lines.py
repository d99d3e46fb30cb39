"""Lines of the files that documents are from: where a line of a text block stands, and which block a line is in.

Left to others: where values begin (``yaml_tree``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from monopod.compiler.diagnostics import Position

_LITERAL = re.compile(r"(?:[&!]\S*\s+)*\|[-+1-9]*\s*(?:\s#.*)?")
_HEADER = re.compile(r"(?:^|[:\-?]\s+)(?:[&!]\S*\s+)*[|>][-+1-9]*\s*(?:\s#.*)?$")


def position_in_block(lines: Sequence[str], scalar: Position, number: int, text: str) -> Position:
    """Return where `text` stands that is on line `number` (from 0) of the scalar at `scalar`.

    That is the scalar's own position unless it is a block after ``|``, whose lines are those of the file.
    """
    at = scalar.line + number
    if scalar.line > len(lines) or at >= len(lines):
        return scalar
    if not _LITERAL.fullmatch(lines[scalar.line - 1][scalar.column - 1 :]):
        return scalar
    column = lines[at].find(text)
    return scalar if column < 0 else replace(scalar, line=at + 1, column=column + 1)


def header_of_block(lines: Sequence[str], line: int) -> int | None:
    """Return the line (from 1) at which the text block begins that the line (from 1) is in; None if it is in none."""
    indent = _indent(lines[line - 1])
    for above in range(line - 1, 0, -1):
        text = lines[above - 1]
        if not text.strip() or _indent(text) >= indent:
            continue
        if _HEADER.search(text):
            return above
        indent = _indent(text)
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
