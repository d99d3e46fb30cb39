"""Untrusted text as one line without hidden characters: control characters and direction marks are escaped.

A name, a value or a line of output comes from a YAML file or a Step. A control character in it could move the reader's
cursor; a direction mark (Unicode Standard Annex #9, "Directional Formatting Characters") could reorder the text so that
it reads differently. Both are escaped as in Python: ``\\x07``, ``\\u202e``.

Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import re

DIRECTION_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""ALM, LRM, RLM, the embeddings, overrides and isolates, for a character class."""

_HIDDEN_IN_LINES = rf"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029{DIRECTION_MARKS}"
HIDDEN_EXCEPT_NEWLINES = rf"[\x1b{_HIDDEN_IN_LINES}]"
HIDDEN = rf"[\n\x1b{_HIDDEN_IN_LINES}]"
"""A pattern of the escaped characters. A tab is not one: it only moves the cursor to the right."""

_RUNS = re.compile(f"({HIDDEN}+)")
_RUNS_IN_LINES = re.compile(f"({HIDDEN_EXCEPT_NEWLINES}+)")
_RUNS_BESIDE_ESC = re.compile(rf"([\n{_HIDDEN_IN_LINES}]+)")
_RUNS_IN_LINES_BESIDE_ESC = re.compile(f"([{_HIDDEN_IN_LINES}]+)")


class _Escapes(dict[int, str]):
    """The escapes by code point, as `str.translate` takes them."""

    def __missing__(self, number: int) -> str:
        self[number] = made = escape(chr(number))
        return made


_ESCAPES = _Escapes()
_ESCAPES_OF_CHARACTERS: dict[str, str] = {}


def visible(text: str) -> str:
    """Return `text` as one line in which control characters and direction marks are escaped."""
    return _escaped(text, _RUNS)


def visible_lines(text: str) -> str:
    """Return `text` as `visible` does, but keep its line breaks."""
    return _escaped(text, _RUNS_IN_LINES)


def visible_beside_esc(text: str, *, keeps_newlines: bool) -> str:
    """Return `text` as `visible` or `visible_lines` does, but keep the ESC of its control sequences."""
    return _escaped(text, _RUNS_IN_LINES_BESIDE_ESC if keeps_newlines else _RUNS_BESIDE_ESC)


def _escaped(text: str, runs: re.Pattern[str]) -> str:
    """Escape all characters of the runs. Binary output has millions, so no function is called for each of them."""
    parts = runs.split(text)
    parts[1::2] = [_ESCAPES_OF_CHARACTERS.get(run) or _escape_run(run) for run in parts[1::2]]
    return "".join(parts)


def _escape_run(run: str) -> str:
    escaped = run.translate(_ESCAPES)
    if len(run) == 1:
        _ESCAPES_OF_CHARACTERS[run] = escaped
    return escaped


def escape(character: str) -> str:
    """Return the escape of a hidden character."""
    short = {"\n": "\\n", "\r": "\\r"}.get(character)
    if short is not None:
        return short
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
