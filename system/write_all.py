"""Writing all data to a descriptor: ``write(2)`` may write only a part."""

from __future__ import annotations

import os


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
