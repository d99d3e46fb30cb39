"""Paths to values in documents, as they are written in messages."""

from __future__ import annotations

from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The path to a value in a document: field names as in the YAML, and indices."""


def format_path(path: Path) -> str:
    """Return a path as a text: ``spec.tasks[3].runAfter``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
