"""JSON that others wrote: registries, hubs, API servers, engines, Steps, and users.

Rule: whatever is wrong with it is a `ValueError`. Python's own reader may also run out of stack.
"""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes | bytearray) -> Any:
    """Return what a text says. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
