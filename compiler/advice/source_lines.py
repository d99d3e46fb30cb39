"""Lines of the source files: the position of a line in a text block, and the block that contains a line.

Left to others: the positions of values (``yaml_tree``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from monopod.compiler.diagnostics import Position

_LITERAL = re.compile(r"(?:[&!]\S*\s+){0,2}\|[-+1-9]*\s*(?:\s#.*)?")
_HEADER = re.compile(r"(?:^|[:\-?]\s+)(?:[&!]\S*\s+){0,2}[|>][-+1-9]*\s*(?:\s#.*)?$")


def position_in_block(lines: Sequence[str], scalar: Position, number: int, text: str) -> Position:
    """Return the position of `text`, which is on line `number` (from 0) of the scalar at `scalar`.

    This is the position of the scalar, unless the scalar is a ``|`` block, whose lines are lines of the file.
    """
    at = scalar.line + number
    if scalar.line > len(lines) or at >= len(lines):
        return scalar
    if not _LITERAL.fullmatch(lines[scalar.line - 1], scalar.column - 1):
        return scalar
    column = lines[at].find(text)
    return scalar if column < 0 else replace(scalar, line=at + 1, column=column + 1)


def headers_of_blocks(lines: Sequence[str]) -> list[int | None]:
    """Return, for each line, the line (from 1) of the header of the text block that contains it, or None."""
    headers: list[int | None] = []
    indents: list[int] = []
    """The indents of the lines above that may contain the next line, in increasing order."""
    headers_above: list[int] = []
    """For each of these lines, the header of the text block that its content belongs to, or 0."""
    for number, line in enumerate(lines, 1):
        indent = _indent(line)
        depth = bisect_left(indents, indent)
        header = headers_above[depth - 1] if depth else 0
        headers.append(header or None)
        if line.strip():
            del indents[depth:], headers_above[depth:]
            indents.append(indent)
            headers_above.append(number if _HEADER.search(line) else header)
    return headers


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
