"""Text of others as one line in which nothing is hidden: control characters and direction marks as their escapes.

A name, a value or a line of output comes from a YAML file or a Step. A control character in it moves the cursor of
whoever reads it; a direction mark (Unicode Standard Annex #9, "Directional Formatting Characters") reorders what is
seen, so that it reads as something that it is not. Both are shown as Python writes them: ``\\x07``, ``\\u202e``.

Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import re

DIRECTION_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""ALM, LRM, RLM, the embeddings and overrides, the isolates; as in a character class."""

HIDDEN = rf"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029{DIRECTION_MARKS}]"
"""A pattern of what is shown as an escape. A tab is not: it moves the cursor to the right only."""

_HIDDEN = re.compile(HIDDEN)


def visible(text: str) -> str:
    """Return `text` as one line in which every control character and direction mark is written as its escape."""
    return _HIDDEN.sub(lambda match: escape(match[0]), text)


def visible_lines(text: str) -> str:
    """Return `text` as `visible` does, and keep its line breaks."""
    return "\n".join(map(visible, text.split("\n")))


def escape(character: str) -> str:
    """Return how a character is written that would be hidden."""
    short = {"\n": "\\n", "\r": "\\r"}.get(character)
    if short is not None:
        return short
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
