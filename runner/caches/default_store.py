"""The store of runs on this machine: a directory for each project below ``$XDG_CACHE_HOME/monopod/caches``.

A project is a git repository, or else a directory: as on GitHub, repositories do not see each other's entries.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from monopod.runner.records import own_directories
from monopod.runner.records.projects import project_of


def caches_root() -> str:
    """Return the directory with the stores of all projects."""
    return os.path.join(own_directories.cache(), "caches")


def default_directory(files: Sequence[str]) -> str:
    """Return the directory of the store for a run from these files."""
    first = next((file for file in files if file != "-"), ".")
    path = Path(first).resolve()
    project = project_of(path if path.is_dir() else path.parent)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", project.name) or "root"
    return os.path.join(caches_root(), f"{name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}")


def can_be_made(directory: str) -> bool:
    """Return whether the user may make and write a directory: some users have no home, or one that is read-only."""
    there = directory
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)
