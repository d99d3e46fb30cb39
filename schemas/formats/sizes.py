"""Sizes and numbers of files for people. Standard library only, since the coordinator imports it."""

from __future__ import annotations


def format_size(length: int) -> str:
    """Return a number of bytes with a suitable unit."""
    size, unit = float(length), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.3g} {unit}"


def format_files(number: int, length: int) -> str:
    """Return a number of files and how long they are together: ``1,204 files (3.4 MiB)``."""
    return f"{number:,} file{'s' * (number != 1)} ({format_size(length)})"
