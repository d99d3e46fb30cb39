"""Whole numbers in texts: annotations and options that set a limit.

Rules: 1 or more, in ASCII digits. Python refuses to read a text of thousands of digits, so a number has 18 at most.
"""

from __future__ import annotations

_MOST_DIGITS = 18


def positive(text: str) -> int | None:
    """Return the number, None if the text is not a whole number of 1 or more."""
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        return None
    return int(text) or None
