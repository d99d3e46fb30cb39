"""The directories of a project: the current one and, in a git checkout, those above it up to its root."""

from __future__ import annotations

import os
from collections.abc import Iterator


def project_directories() -> Iterator[str]:
    """Yield the current directory and, in a git checkout, those above it up to its root."""
    current = os.getcwd()
    above = [current]
    while not os.path.lexists(os.path.join(above[-1], ".git")):
        parent = os.path.dirname(above[-1])
        if parent == above[-1]:
            return iter([current])
        above.append(parent)
    return iter(above)


def nearest_with(*names: str) -> str | None:
    """Return the nearest directory that has one of these files, relative to the current one; None if none has."""
    for directory in project_directories():
        if any(os.path.lexists(os.path.join(directory, name)) for name in names):
            return os.path.relpath(directory)
    return None
