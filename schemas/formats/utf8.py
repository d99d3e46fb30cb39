"""Whether a text can be written in UTF-8, as everything in a Pod is.

Words of a command line and paths may have other bytes. In Python's texts they are halves of surrogate pairs.
"""

from __future__ import annotations


def checked_utf8(text: str) -> str:
    """Return the text. Raises ValueError if it is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!a} is not UTF-8; all texts and paths in a Pod are") from None
    return text
