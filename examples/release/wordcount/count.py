"""Count the words of a text."""

from __future__ import annotations

import re
from collections import Counter


def count(text: str) -> Counter[str]:
    """Return how often each word is in a text; upper and lower case are the same."""
    return Counter(re.findall(r"\w+", text.lower()))
