"""Lines of the files that documents are from: where a line of a text block stands, and which block a line is in.

Left to others: where values begin (``yaml_tree``).
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
    """Return where `text` stands that is on line `number` (from 0) of the scalar at `scalar`.

    That is the scalar's own position unless it is a block after ``|``, whose lines are those of the file.
    """
    at = scalar.line + number
    if scalar.line > len(lines) or at >= len(lines):
        return scalar
    if not _LITERAL.fullmatch(lines[scalar.line - 1], scalar.column - 1):
        return scalar
    column = lines[at].find(text)
    return scalar if column < 0 else replace(scalar, line=at + 1, column=column + 1)


def headers_of_blocks(lines: Sequence[str]) -> list[int | None]:
    """Return for each line the line (from 1) at which the text block begins that it is in; None if it is in none."""
    headers: list[int | None] = []
    indents: list[int] = []
    """Of the lines above that the next one can be within, each indented further than the one before."""
    around: list[int] = []
    """For each of those, the header of the text block that what is within it is in (0: none)."""
    for number, line in enumerate(lines, 1):
        indent = _indent(line)
        depth = bisect_left(indents, indent)
        header = around[depth - 1] if depth else 0
        headers.append(header or None)
        if line.strip():
            del indents[depth:], around[depth:]
            indents.append(indent)
            around.append(number if _HEADER.search(line) else header)
    return headers


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
