"""Entries of a cache store that consist of a few bytes."""

from __future__ import annotations

from monopod.system.caches.keys import Part
from monopod.system.caches.store import Draft


def save_entry(store, key, content=b"x", *, version):
    """Save an entry with this content, and return it."""

    def pack(write):
        write(content)
        return (Part("directory", 1),)

    return store.save(Draft(key, version, ("vendor",)), pack)


def read_entry(store, entry):
    """Return the content of an entry."""
    with store.opened(entry) as source:
        return source.read(1 << 24)
