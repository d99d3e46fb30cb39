"""The stores in directories of this machine: prepared before a run, and those of all projects."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from monopod.runner.caches.default_store import caches_root
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.store import Store, StoreError


def default_stores() -> dict[str, Store]:
    """Return the stores of all projects on this machine, by the names of the projects. Raises StoreError."""
    root = caches_root()
    names: list[str] = []
    try:
        names = sorted(os.listdir(root))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise StoreError(f"cannot read {root}: {error.strerror}") from error
    return {name: DirectoryStore(os.path.join(root, name)) for name in names}


def prepare_stores(directories: Iterable[str]) -> list[str]:
    """Make stores in which Steps of any user can save entries; return the problems with those that cannot be mounted.

    Whatever else is wrong, the Steps report. Other users of this machine do not reach the default stores.
    """
    problems = []
    for directory in directories:
        if os.path.dirname(directory) == caches_root():
            with contextlib.suppress(OSError):
                os.makedirs(caches_root(), exist_ok=True)
                os.chmod(caches_root(), 0o700)
        with contextlib.suppress(StoreError):
            DirectoryStore(directory).prepare()
        if not os.path.isdir(directory):
            problems.append(f"the cache store {directory} cannot be made, or is not a directory; choose another")
    return problems
