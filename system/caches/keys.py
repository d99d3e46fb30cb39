"""Which entry of a cache is restored: the semantics of GitHub's actions/cache.

Rules (GitHub docs, "Dependency caching", "Cache key matching"):

- The entry with exactly the key is a hit. Otherwise entries whose key starts with the key match, then those whose key
  starts with the first of the restore keys, the second, and so on. Of several, the newest is restored.
- Entries match only if they were saved with the same paths: their `version` is equal.

Pure. Left to others: where the entries are (``directory_store``, ``registry_store``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

LONGEST_KEY: Final = 512
"""The maximum length of a key, as on GitHub."""
_MOST_AHEAD: Final = 24 * 3600.0
"""How many seconds the clock of another machine may be ahead of this one's: its time zone may be wrong."""


Kind: TypeAlias = Literal["absent", "directory", "file"]


class Part(NamedTuple):
    """What an entry has of one path: nothing, a directory, or a file; in how many segments; and its user and group."""

    kind: Kind
    segments: int = 0
    owner: tuple[int, int] = (0, 0)


class Entry(NamedTuple):
    """One entry of a store.

    ``paths`` are the cached paths as a person wrote them. ``size`` is what the entry takes in the store, ``digest`` the
    SHA-256 of its content, and ``parts`` say what of it belongs to which path (``content``). ``created`` and ``used``
    are times in seconds since 1970.
    """

    key: str
    version: str
    paths: tuple[str, ...]
    created: float
    used: float
    size: int
    digest: str
    parts: tuple[Part, ...]

    def unused_for(self, now: float) -> float:
        """Return for how many seconds it was not used; for ever if it says that it was used in the future."""
        return now - self.used if self.used - now <= _MOST_AHEAD else math.inf


def choose(entries: Iterable[Entry], key: str, restore_keys: Sequence[str]) -> Entry | None:
    """Return the entry to restore, None for a miss; `entries` have the right version."""
    known = list(entries)
    for entry in known:
        if entry.key == key:
            return entry
    for prefix in (key, *restore_keys):
        matching = [entry for entry in known if prefix and entry.key.startswith(prefix)]
        if matching:
            return max(matching, key=lambda entry: (entry.created, entry.key))
    return None


def key_problem(key: str) -> str | None:
    """Return why a text cannot be a key; None if it can."""
    if not key:
        return "the key is empty"
    if len(key) > LONGEST_KEY:
        return f"the key is longer than {LONGEST_KEY} characters"
    if not key.isprintable():
        return "the key has a line break or another character that cannot be printed"
    return None


def version_of(paths: Sequence[str]) -> str:
    """Return the version of entries with these paths."""
    return hashlib.sha256(json.dumps([1, *paths]).encode()).hexdigest()[:16]
