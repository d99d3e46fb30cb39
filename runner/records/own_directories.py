"""Where monopod keeps what outlives a run, in the directories of the user (XDG Base Directory Specification).

Rules: a variable that holds a relative path is ignored, as the specification has it. Nothing is made here.
"""

from __future__ import annotations

import os


def state() -> str:
    """Return the directory of the records of runs."""
    return _own(os.environ.get("XDG_STATE_HOME", ""), "~/.local/state")


def data() -> str:
    """Return the directory of the files of PersistentVolumeClaims."""
    return _own(os.environ.get("XDG_DATA_HOME", ""), "~/.local/share")


def cache() -> str:
    """Return the directory of what was fetched (``compiler.remote.cache``)."""
    return _own(os.environ.get("XDG_CACHE_HOME", ""), "~/.cache")


def _own(given: str, default: str) -> str:
    return os.path.join(given if os.path.isabs(given) else os.path.expanduser(default), "monopod")
