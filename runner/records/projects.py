"""The project that a directory belongs to: its git repository, or else the directory itself."""

from __future__ import annotations

from pathlib import Path


def project_of(directory: Path) -> Path:
    """Return the root of the project of a directory."""
    directory = directory.resolve()
    return next((each for each in (directory, *directory.parents) if (each / ".git").exists()), directory)
