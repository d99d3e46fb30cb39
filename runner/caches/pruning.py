"""The entries that `monopod cache` lists, and which of them it removes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from monopod.system.caches.keys import Entry
from monopod.system.caches.store import Damage


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry and its place: a project or a claim; empty if there is only one place."""

    entry: Entry
    place: str = ""

    def is_older(self, now: float, age: float) -> bool:
        """Return whether the entry was not used for longer than `age` seconds."""
        return self.entry.unused_for(now) > age


@dataclass(frozen=True, slots=True)
class StoredDamage:
    """Damage in a store, and its place (`StoredEntry`)."""

    damage: Damage
    place: str = ""


class Stores(Protocol):
    """Stores of caches as `monopod cache` needs them. The methods raise StoreError or BackendUnavailableError."""

    @property
    def problems(self) -> Sequence[str]:
        """Messages about stores that could not be read."""

    def stored(self) -> list[StoredEntry]:
        """Return the entries of all stores."""

    def remove(self, stored: Iterable[StoredEntry], /) -> Iterator[StoredEntry]:
        """Remove entries, and yield those that are removed."""

    def damaged(self) -> list[StoredDamage]:
        """Return what `stored` has met that is not an entry."""

    def remove_damaged(self, damaged: Iterable[StoredDamage], /) -> Iterator[StoredDamage]:
        """Remove what is not an entry, and yield what is removed."""


def entries_to_remove(
    stored: Iterable[StoredEntry], now: float, *, older_than: float | None, max_size: int | None
) -> list[StoredEntry]:
    """Return the entries to remove: unused for longer than `older_than` seconds, and as many as exceed `max_size`.

    The least recently used are removed first, before them what was used in the future. With neither limit, all are.
    """
    by_use = sorted(stored, key=lambda each: (-each.entry.unused_for(now), each.entry.key))
    if older_than is None and max_size is None:
        return by_use
    size = sum(each.entry.size for each in by_use)
    removed = []
    for each in by_use:
        is_old = older_than is not None and each.is_older(now, older_than)
        if is_old or (max_size is not None and size > max_size):
            removed.append(each)
            size -= each.entry.size
    return removed
