"""Writing all of something to a descriptor: ``write(2)`` may take only a part."""

from __future__ import annotations

import os


def write_all(descriptor: int, data: bytes) -> None:
    """Write `data`, however many writes it takes. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
