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

HIDDEN_EXCEPT_NEWLINES = rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{DIRECTION_MARKS}]"
HIDDEN = rf"[\n{HIDDEN_EXCEPT_NEWLINES[1:]}"
"""A pattern of the escaped characters. A tab is not one: it only moves the cursor to the right."""

_HIDDEN = re.compile(HIDDEN)


def visible(text: str) -> str:
    """Return `text` as one line in which control characters and direction marks are escaped."""
    return _HIDDEN.sub(lambda match: escape(match[0]), text)


def visible_lines(text: str) -> str:
    """Return `text` as `visible` does, but keep its line breaks."""
    return "\n".join(map(visible, text.split("\n")))


def escape(character: str) -> str:
    """Return the escape of a hidden character."""
    short = {"\n": "\\n", "\r": "\\r"}.get(character)
    if short is not None:
        return short
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
