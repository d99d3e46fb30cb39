"""The directories of this machine that containers do not see: system, temporary and monopod's own directories."""

from __future__ import annotations

import os
from collections.abc import Iterable

SYSTEM_DIRECTORIES = ("/proc", "/sys", "/dev")
TEMPORARY_DIRECTORIES = ("/tmp", "/var/tmp")  # noqa: S108  # the machine's, which are hidden


def hidden_directories(private: Iterable[str]) -> tuple[str, ...]:
    """Return the directories of this machine that a container cannot see; `private` are monopod's own."""
    return (*SYSTEM_DIRECTORIES, *emptied_directories(private))


def emptied_directories(private: Iterable[str]) -> tuple[str, ...]:
    """Return the hidden directories that are empty in a container; it has its own version of the others."""
    emptied = [path for path in TEMPORARY_DIRECTORIES if os.path.isdir(path) and not os.path.islink(path)]
    for path in sorted(private):
        if not any(is_within(path, hidden) for hidden in (*SYSTEM_DIRECTORIES, *emptied)):
            emptied.append(path)
    return tuple(emptied)


def is_within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or inside it, at any depth."""
    return path == directory or is_below(path, directory)


def is_below(path: str, directory: str) -> bool:
    """Whether `path` is inside `directory`, at any depth."""
    return path.startswith("/" if directory == "/" else f"{directory}/") and path != directory
