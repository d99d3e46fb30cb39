"""What a store of cache entries does. ``directory_store`` and ``registry_store`` are the stores.

Rules:

- An entry never changes. Saving a key that exists saves nothing; of two that save one key at the same time, one wins,
  and its entry is whole. An entry that was not saved completely does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from monopod.system.caches.content import Source
from monopod.system.caches.keys import Entry, Part


class StoreError(Exception):
    """The store cannot be used. The text says why."""


class AwayError(StoreError):
    """The store does not answer in time. It is not asked again."""


class Damage(NamedTuple):
    """Something in a store that is not an entry, though it is where one should be. ``why`` says what is wrong."""

    path: str
    why: str


class Draft(NamedTuple):
    """An entry to save: its key, the version that it belongs to, and its paths as a person wrote them."""

    key: str
    version: str
    paths: tuple[str, ...]


Pack = Callable[[Callable[[bytes], object]], tuple[Part, ...]]
"""Writes the content of an entry, piece by piece, and returns its parts."""


class Store(Protocol):
    """A store of cache entries. All methods raise StoreError."""

    def find(self, version: str, key: str, restore_keys: Sequence[str]) -> Entry | None:
        """Return the entry to restore (``keys.choose``), None for a miss."""

    def has(self, version: str, key: str) -> bool:
        """Return whether there is an entry with exactly this key."""

    def opened(self, entry: Entry) -> AbstractContextManager[Source]:
        """Give the content of an entry, which is exactly what was saved, and note that the entry was used."""

    def save(self, draft: Draft, pack: Pack) -> Entry | None:
        """Save an entry. Return None if its key exists. What `pack` raises is passed on."""

    def entries(self) -> list[Entry]:
        """Return all entries."""

    def remove(self, entry: Entry) -> None:
        """Remove an entry."""

    @property
    def damaged(self) -> Sequence[Damage]:
        """What the other methods have met so far that is not an entry."""

    def remove_damaged(self, damage: Damage) -> None:
        """Remove what is not an entry."""
