"""The stores of caches that this process reaches itself: directories of this machine, and registries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from monopod.runner.caches.pruning import StoredDamage, StoredEntry
from monopod.system.caches.store import Store


@dataclass(frozen=True, slots=True)
class DirectStores:
    """Some stores, each with its place (`StoredEntry`)."""

    stores: Mapping[str, Store]
    problems: tuple[str, ...] = ()

    def stored(self) -> list[StoredEntry]:
        """Return the entries of all stores. Raises StoreError."""
        return [StoredEntry(entry, place) for place, store in self.stores.items() for entry in store.entries()]

    def remove(self, stored: Iterable[StoredEntry]) -> Iterator[StoredEntry]:
        """Remove entries, and yield each that is removed. Raises StoreError."""
        for each in stored:
            self.stores[each.place].remove(each.entry)
            yield each

    def damaged(self) -> list[StoredDamage]:
        """Return what `stored` has met that is not an entry."""
        return [StoredDamage(damage, place) for place, store in self.stores.items() for damage in store.damaged]

    def remove_damaged(self, damaged: Iterable[StoredDamage]) -> Iterator[StoredDamage]:
        """Remove what is not an entry, and yield each that is removed. Raises StoreError."""
        for each in damaged:
            self.stores[each.place].remove_damaged(each.damage)
            yield each
