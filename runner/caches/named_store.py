"""The store that `--cache-store` names, opened from this machine."""

from __future__ import annotations

import os
from dataclasses import astuple

from monopod.compiler.caches.store_option import parse_store
from monopod.compiler.remote.registry_credentials import login_of_user
from monopod.runner.kubelet.host_volumes import claims_directory
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.registry_client import Login
from monopod.system.caches.registry_store import RegistryStore
from monopod.system.caches.store import Store


def store_of_option(text: str) -> Store:
    """Return the store that a text names. Raises ValueError, also for a store that cannot be reached from here."""
    store = parse_store(text)
    if store.kind == "directory":
        return DirectoryStore(store.names[0])
    if store.kind == "claims" and len(store.names) == 1:
        return DirectoryStore(os.path.join(claims_directory(), "default", store.names[0]))
    if store.kind == "claims":
        raise ValueError("name one claim of the pool")
    if store.kind == "registry":
        host, _, repository = store.names[0].partition("/")
        return RegistryStore(host, repository, Login(*astuple(login_of_user(store.names[0], os.environ))))
    raise ValueError("'-' is not a store; it turns caching off")
