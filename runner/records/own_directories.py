"""The user's directories for data that outlives a run (XDG Base Directory Specification).

A variable with a relative path is ignored, as the specification requires. This module creates no directories.
"""

from __future__ import annotations

import os


def state() -> str:
    """Return the directory of the records of runs."""
    return _directory("XDG_STATE_HOME", "~/.local/state")


def data() -> str:
    """Return the directory of the files of PersistentVolumeClaims."""
    return _directory("XDG_DATA_HOME", "~/.local/share")


def cache() -> str:
    """Return the directory of fetched files (``compiler.remote.cache``)."""
    return _directory("XDG_CACHE_HOME", "~/.cache")


def _directory(variable: str, default: str) -> str:
    path = os.environ.get(variable, "")
    return os.path.join(path if os.path.isabs(path) else os.path.expanduser(default), "monopod")
