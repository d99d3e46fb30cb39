"""JSON that others wrote: registries, hubs, API servers, engines, Steps, and users.

Rules:

- Whatever is wrong with it is a `ValueError`. Python's own reader may also run out of stack.
- All its texts can be written in UTF-8. Half of a surrogate pair, which is possible in JSON, becomes U+FFFD, as in Go.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def loads(text: str | bytes | bytearray) -> Any:
    """Return what a text says. Raises ValueError."""
    try:
        if not isinstance(text, str):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        content = json.loads(text)
        if not _may_have_halves(text):
            return content
        return json.loads(_HALF.sub("\ufffd", json.dumps(content, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _may_have_halves(text: str) -> bool:
    escaped = "\\ud" in text or "\\uD" in text
    return escaped or (not text.isascii() and _HALF.search(text) is not None)
