"""Sizes of files for people."""

from __future__ import annotations


def format_size(length: int) -> str:
    """Return a number of bytes with a suitable unit."""
    size, unit = float(length), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.3g} {unit}"
