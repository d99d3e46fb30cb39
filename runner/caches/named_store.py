"""The stores that `--cache-store` names, opened from this machine.

A directory or a claim that does not exist is an error: its name is probably mistyped.
"""

from __future__ import annotations

import os
from dataclasses import astuple

from monopod.compiler.caches.store_option import CacheStore
from monopod.compiler.remote.registry_credentials import login_of_user
from monopod.runner.kubelet.host_volumes import claims_directory
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.registry_client import Login
from monopod.system.caches.registry_store import RegistryStore
from monopod.system.caches.store import Store


def open_named(store: CacheStore, namespace: str | None) -> dict[str, Store]:
    """Return the stores, by their places: the claims of this machine's backends, or a nameless place.

    `namespace` is that of the claims, None for the default. Raises ValueError for a store that does not exist.
    """
    if store.kind == "directory":
        if not os.path.isdir(store.names[0]):
            raise ValueError(f"{store.names[0]}: {_why_not(store.names[0])}")
        return {"": DirectoryStore(store.names[0])}
    if store.kind == "claims":
        directory = os.path.join(claims_directory(), namespace or "default")
        return {claim: DirectoryStore(_existing(directory, claim)) for claim in store.names}
    if store.kind == "registry":
        host, _, repository = store.names[0].partition("/")
        return {"": RegistryStore(host, repository, Login(*astuple(login_of_user(store.names[0], os.environ))))}
    raise ValueError("'-' is not a store; it turns caching off")


def _existing(directory: str, claim: str) -> str:
    path = os.path.join(directory, claim)
    if not os.path.isdir(path):
        message = f"the claim '{claim}' does not exist on this machine; --context CONTEXT reads a claim in a cluster"
        raise ValueError(message)
    return path


def _why_not(directory: str) -> str:
    return "it is not a directory" if os.path.lexists(directory) else "the directory does not exist"
