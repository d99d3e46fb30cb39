"""Opening a store by its name: ``dir:PATH``."""

from __future__ import annotations

from collections.abc import Mapping

from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.store import Store, StoreError


def open_store(name: str, options: Mapping[str, str]) -> Store:  # noqa: ARG001  # a directory has none
    """Return the store with a name. Raises StoreError."""
    kind, _, rest = name.partition(":")
    if kind == "dir" and rest.startswith("/"):
        return DirectoryStore(rest)
    raise StoreError(f"unknown store {name}")
