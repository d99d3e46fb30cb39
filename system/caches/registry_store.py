"""A store of cache entries in a repository of a registry: an entry is an OCI artifact, and its key makes the tag.

Rules:

- A registry may show a blob that another run is still pushing, and refuse what refers to it (Docker's does): an entry
  that was refused is pushed again, unless the other run's has appeared.
- A registry does not say when something was last used: that is when it was saved.

Left to others: artifacts and their tags (``registry_artifacts``), requests (``registry_client``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import IO, Final

from monopod.system.caches.content import Source
from monopod.system.caches.keys import Entry, choose
from monopod.system.caches.registry_artifacts import (
    CUT,
    MANIFEST,
    ArtifactKind,
    RegistryArtifacts,
    digest_of,
    escaped,
    is_push_busy,
    tag_of,
    with_retries,
)
from monopod.system.caches.registry_client import Login, RegistryClient
from monopod.system.caches.store import Damage, Draft, Pack

_CACHE: Final = ArtifactKind(
    "application/vnd.monopod.cache.v1",
    "application/vnd.monopod.cache.content.v1.tar+gzip",
    "dev.monopod.cache.entry",
)
_TAG = re.compile(r"[0-9a-f]{16}-[\w.-]+", re.ASCII)
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the attempts to push an entry."""


class RegistryStore:
    """The store in a repository. `scratch` is a directory for the content of one entry, by default the system's."""

    def __init__(self, host: str, repository: str, login: Login, scratch: str | None = None) -> None:
        self._client = RegistryClient(host, repository, login)
        self._artifacts = RegistryArtifacts(self._client, _CACHE, scratch)

    def find(self, version: str, key: str, restore_keys: Sequence[str]) -> Entry | None:
        """Return the entry to restore."""
        exact = self._artifacts.entry(tag_of(version, key))
        if exact is not None and (exact.version, exact.key) == (version, key):
            return exact
        prefixes = [prefix for prefix in (key, *restore_keys) if prefix]
        tags = [tag for tag in self._client.tags() if _may_start_with(tag, version, prefixes)]
        return choose((entry for entry in self._read(tags) if entry.version == version), key, restore_keys)

    def has(self, version: str, key: str) -> bool:
        """Return whether there is an entry with exactly this key."""
        return self._artifacts.entry(tag_of(version, key)) is not None

    def opened(self, entry: Entry) -> AbstractContextManager[Source]:
        """Give the content of an entry."""
        return self._artifacts.opened(entry)

    def save(self, draft: Draft, pack: Pack) -> Entry | None:
        """Save an entry, unless its key exists."""
        if self.has(draft.version, draft.key):
            return None
        with self._artifacts.packed(draft, pack) as (entry, content):
            return with_retries(lambda: self._pushed(entry, content), _PAUSES, is_push_busy)

    def _pushed(self, entry: Entry, content: IO[bytes]) -> Entry | None:
        """Push an entry and return it; None if another run was faster."""
        if self.has(entry.version, entry.key):
            return None
        self._artifacts.push_content(entry, content)
        if self.has(entry.version, entry.key):
            return None
        self._artifacts.push_manifest(entry)
        return entry

    def entries(self) -> list[Entry]:
        """Return all entries, the newest first."""
        entries = self._read(tag for tag in self._client.tags() if _TAG.fullmatch(tag))
        return sorted(entries, key=lambda entry: (-entry.created, entry.key))

    def remove(self, entry: Entry) -> None:
        """Remove an entry."""
        answer = self._client.get(f"manifests/{tag_of(entry.version, entry.key)}", MANIFEST)
        if answer.status == 200:
            self._client.delete(f"manifests/{digest_of(answer.content)}")

    @property
    def damaged(self) -> Sequence[Damage]:
        """Nothing: what is not an entry may be somebody else's artifact."""
        return ()

    def remove_damaged(self, damage: Damage) -> None:
        """Do nothing: there is none."""

    def _read(self, tags: Iterable[str]) -> list[Entry]:
        return [entry for entry in map(self._artifacts.entry, tags) if entry is not None]


def _may_start_with(tag: str, version: str, prefixes: Iterable[str]) -> bool:
    """Return whether the key of an entry with a tag may start with one of these prefixes."""
    start, is_cut, _ = tag.partition(CUT)
    wanted = [f"{version}-{escaped(prefix)}" for prefix in prefixes]
    return any(start.startswith(each) or (is_cut and each.startswith(start)) for each in wanted)
