"""Merging a private view of a Workspace into it: three trees in, operations or conflicts out. Pure.

``base`` is the tree that the view began with, ``mine`` is the view, ``theirs`` is the Workspace now.

Rules:

- A path that only one side has changed is as this side has it. The same change on both sides is no conflict; any other
  pair of changes is one. To make, change and remove a path are changes.
- The kind, the mode and the content are compared. Times and owners are not: they follow the side that has changed them,
  and theirs stay if both have.
- A directory stays as long as something is in it, even if one side has removed it.
- If one side makes something inside a directory that the other side has replaced by something else, the directory is in
  conflict.

Left to others: finding out what has changed (``view_trees``), and carrying out the operations (``commit``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """What is at a path. ``kind`` is one of ``f`` (file), ``l`` (link), ``d`` (directory) and other letters.

    ``content`` distinguishes contents: of a file, of a link's target. ``times`` and ``owner`` are not compared.
    """

    kind: str
    mode: int
    content: str = ""
    times: tuple[int, ...] = ()
    owner: tuple[int, ...] = ()

    def same(self, other: Entry | None) -> bool:
        """Return whether another entry has the same kind, mode and content."""
        return other is not None and self[:3] == other[:3]


Tree = Mapping[bytes, Entry]


class Conflict(NamedTuple):
    """A path that both sides have changed, and what was changed below it, if one side has changed only that."""

    path: bytes
    base: Entry | None
    mine: Entry | None
    theirs: Entry | None
    below: bytes = b""


class Operations(NamedTuple):
    """What makes the Workspace the merged tree.

    ``removed`` are paths with nothing else in them, what is inside a directory before it; ``written`` are paths with
    their new entries, a directory before what is in it. ``retouched`` are paths whose times or owner
    change, and nothing else.
    """

    removed: tuple[bytes, ...] = ()
    written: tuple[tuple[bytes, Entry], ...] = ()
    retouched: tuple[tuple[bytes, Entry], ...] = ()

    def __bool__(self) -> bool:
        return any(self)

    def paths(self) -> Iterator[bytes]:
        """Yield the paths that are not the same as before."""
        yield from self.removed
        yield from (path for path, _ in self.written)


def merge(base: Tree, mine: Tree, theirs: Tree) -> tuple[Operations, tuple[Conflict, ...]]:
    """Return the operations that merge `mine` into `theirs`, which count only without conflicts, and the conflicts.

    Paths that are equal in all trees may be left out.
    """
    conflicts: dict[bytes, Conflict] = {}
    merged: dict[bytes, Entry | None] = {}
    for path in base.keys() | mine.keys() | theirs.keys():
        sides = base.get(path), mine.get(path), theirs.get(path)
        if _is_conflict(*sides):
            conflicts[path] = Conflict(path, *sides)
        else:
            merged[path] = _merged(*sides)
    for path in sorted(path for path, entry in merged.items() if entry is not None):
        for above in parents(path):
            entry = merged.get(above)
            if above in conflicts:
                break
            if entry is None and above in merged:
                merged[above] = _directory(mine.get(above), theirs.get(above))
            elif entry is not None and entry.kind != "d":
                sides = base.get(above), mine.get(above), theirs.get(above)
                conflicts[above] = Conflict(above, *sides, path)
                break
    return _operations(merged, theirs), tuple(conflicts[path] for path in sorted(conflicts))


def _is_conflict(base: Entry | None, mine: Entry | None, theirs: Entry | None) -> bool:
    return not (_same(mine, base) or _same(theirs, base) or _same(mine, theirs))


def _same(one: Entry | None, other: Entry | None) -> bool:
    return other is None if one is None else one.same(other)


def _merged(base: Entry | None, mine: Entry | None, theirs: Entry | None) -> Entry | None:
    """Return the merged entry of a path that is not in conflict."""
    if not _same(mine, base) and _same(theirs, base):
        return mine
    if theirs is None or mine is None or base is None:
        return theirs
    return theirs._replace(
        times=mine.times if theirs.times == base.times else theirs.times,
        owner=mine.owner if theirs.owner == base.owner else theirs.owner,
    )


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the directories that a path is in, the outermost first."""
    end = path.find(b"/")
    while end >= 0:
        yield path[:end]
        end = path.find(b"/", end + 1)


def _directory(*sides: Entry | None) -> Entry | None:
    """Return the directory that something is in, as a side has it."""
    return next((entry for entry in sides if entry is not None and entry.kind == "d"), None)


def _operations(merged: Mapping[bytes, Entry | None], theirs: Tree) -> Operations:
    removed: list[bytes] = []
    written: list[tuple[bytes, Entry]] = []
    retouched: list[tuple[bytes, Entry]] = []
    for path, entry in _in_order(merged):
        before = theirs.get(path)
        if entry is None:
            if before is not None:
                removed.append(path)
        elif before is None or not entry.same(before):
            if before is not None and (before.kind == "d") != (entry.kind == "d"):
                removed.append(path)
            written.append((path, entry))
        elif entry != before:
            retouched.append((path, entry))
    return Operations(tuple(reversed(removed)), tuple(written), tuple(retouched))


def _in_order(merged: Mapping[bytes, Entry | None]) -> Iterable[tuple[bytes, Entry | None]]:
    """Return paths with their entries, a directory before what is in it."""
    return sorted(merged.items(), key=lambda each: each[0].split(b"/"))
