"""Sizes and counts for people. Standard library only, since the coordinator imports it."""

from __future__ import annotations


def format_size(length: int) -> str:
    """Return a number of bytes with a suitable unit."""
    if length < 1024:
        return f"{length} byte{'s' * (length != 1)}"
    size, unit = length / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if size >= 100 else f"{size:.3g} {unit}"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 path``, ``1,204 paths``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_files(number: int, length: int) -> str:
    """Return a number of files and how long they are together: ``1,204 files (3.4 MiB)``."""
    return f"{format_count(number, 'file')} ({format_size(length)})"
