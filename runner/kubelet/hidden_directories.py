"""Which directories of this machine a container does not see: those of the system, temporary ones, monopod's own."""

from __future__ import annotations

import os
from collections.abc import Iterable

SYSTEM_DIRECTORIES = ("/proc", "/sys", "/dev")
TEMPORARY_DIRECTORIES = ("/tmp", "/var/tmp")  # noqa: S108  # the machine's, which are hidden


def hidden_directories(private: Iterable[str]) -> tuple[str, ...]:
    """Return what of this machine's files a container cannot see; `private` are directories of monopod's."""
    return (*SYSTEM_DIRECTORIES, *emptied_directories(private))


def emptied_directories(private: Iterable[str]) -> tuple[str, ...]:
    """Return those of them that are empty in a container, instead of its own."""
    emptied = [path for path in TEMPORARY_DIRECTORIES if os.path.isdir(path) and not os.path.islink(path)]
    for path in sorted(private):
        if not any(path == each or is_below(path, each) for each in (*SYSTEM_DIRECTORIES, *emptied)):
            emptied.append(path)
    return tuple(emptied)


def is_below(path: str, directory: str) -> bool:
    """Whether `path` is inside `directory`, at any depth."""
    return path.startswith("/" if directory == "/" else f"{directory}/") and path != directory
