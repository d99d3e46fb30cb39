"""The three trees of a merge: what a view began with, the view, and the Workspace now.

Rules:

- Only what differs is in the trees. A content is read only where it decides: equal sizes, and a version that is not the
  recorded one. Until then it is a word that differs from all others.
- A mode or owner that the view has from its making is that of the Workspace, even if the copy could not have it.
- If neither side has the version that the view began with, the history has its content, or it is unknown; then both
  have changed it.

Standard library only. Raises UnusableError.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

from monopod.coordinator.workspaces.copying import attributes, shared_mode
from monopod.coordinator.workspaces.history import Merged
from monopod.coordinator.workspaces.merge import Entry
from monopod.coordinator.workspaces.tree import Directories, kind_of, open_file, unusable, walk
from monopod.coordinator.workspaces.view_record import Known, Record, Seen

_UNKNOWN = "?"
_MINE = "mine"
_THEIRS = "theirs"


class Side:
    """The files below a root: the versions of all paths, and the content of one."""

    def __init__(self, root: int) -> None:
        self.directories = Directories(root)
        self.seen: dict[bytes, Seen] = {}
        self.kinds: dict[bytes, str] = {}
        self.targets: dict[bytes, str] = {}
        for file in walk(root):
            self.seen[file.path] = Seen.of(file.status)
            kind = self.kinds[file.path] = kind_of(file.status)
            if kind == "l":
                try:
                    self.targets[file.path] = os.fsdecode(os.readlink(file.name, dir_fd=file.folder))
                except OSError as error:
                    raise unusable("read", file.path, error) from error

    def digest(self, path: bytes) -> str:
        """Return the digest of a file's content and attributes."""
        try:
            return content_digest(*self.directories.of(path))
        except OSError as error:
            raise unusable("read", path, error) from error

    def entry(self, path: bytes, content: str) -> Entry | None:
        """Return the entry of a path."""
        seen = self.seen.get(path)
        if seen is None:
            return None
        kind = self.kinds[path]
        times = (seen.modified,) if kind != "d" else ()
        of_kind = content if kind == "f" else self.targets.get(path, "")
        return Entry(kind, seen.mode, of_kind, times, (seen.user, seen.group))


def content_digest(folder: int, name: bytes) -> str:
    """Return the digest of the content and the attributes of a file. Raises OSError."""
    with open(open_file(folder, name), "rb") as file:
        total = hashlib.file_digest(file, "sha256")
        for attribute in attributes(file.fileno()):
            total.update(b"\0" + attribute.encode() + b"\0" + os.getxattr(file.fileno(), attribute))
    return total.hexdigest()


class Trees:
    """The trees of a merge: ``base``, ``mine`` and ``theirs``.

    `earlier` are the merges since the view was made, with paths relative to the Workspace. `is_shared`: modes that a
    Step has set are for every user (``copying``).
    """

    def __init__(self, record: Record, view: Side, origin: Side, earlier: Sequence[Merged], *, is_shared: bool) -> None:
        self.base: dict[bytes, Entry] = {}
        self.mine: dict[bytes, Entry] = {}
        self.theirs: dict[bytes, Entry] = {}
        self._record, self._view, self._origin, self._is_shared = record, view, origin, is_shared
        self._contents = _contents_before(earlier, record)
        for path in record.keys() | view.seen.keys() | origin.seen.keys():
            self._add(path)

    def _add(self, path: bytes) -> None:
        known = self._record.get(path)
        before, mine, theirs = self._words(path, known)
        trees = (self.base, self.mine, self.theirs)
        entries = (
            None if known is None else known.entry()._replace(content=before if known.kind == "f" else known.target),
            self._mine(path, known, mine),
            self._origin.entry(path, theirs),
        )
        if entries[0] == entries[1] == entries[2]:
            return
        for tree, entry in zip(trees, entries, strict=True):
            if entry is not None:
                tree[path] = entry

    def _mine(self, path: bytes, known: Known | None, content: str) -> Entry | None:
        entry = self._view.entry(path, content)
        if entry is None:
            return None
        seen = self._view.seen[path]
        if known is None or known.kind != entry.kind:
            return entry._replace(mode=self._mode(entry))
        is_kept = (seen.user, seen.group) == (known.view.user, known.view.group)
        return entry._replace(
            mode=known.origin.mode if seen.mode == known.view.mode else self._mode(entry),
            times=known.entry().times if seen.modified == known.view.modified else entry.times,
            owner=(known.origin.user, known.origin.group) if is_kept else entry.owner,
        )

    def _mode(self, entry: Entry) -> int:
        return shared_mode(entry.mode) if self._is_shared and entry.kind != "l" else entry.mode

    def _words(self, path: bytes, known: Known | None) -> tuple[str, str, str]:
        """Return words for the contents of a path in the three trees, equal where the contents are."""
        mine = self._view.seen.get(path) if self._view.kinds.get(path) == "f" else None
        theirs = self._origin.seen.get(path) if self._origin.kinds.get(path) == "f" else None
        if known is None or known.kind != "f":
            are_both = mine is not None and theirs is not None
            return ("", *self._compared(path, mine, theirs)) if are_both else ("", "", "")
        is_mine_kept, is_theirs_kept = mine == known.view, theirs == known.origin
        if not (is_mine_kept or is_theirs_kept):
            return self._both_changed(path, mine, theirs)
        if mine is None or theirs is None or (is_mine_kept and is_theirs_kept):
            return "", "", ""
        words = self._compared(path, mine, theirs)
        return (words[0] if is_mine_kept else words[1], *words)

    def _compared(self, path: bytes, mine: Seen | None, theirs: Seen | None) -> tuple[str, str]:
        if mine is None or theirs is None or mine.size != theirs.size:
            return _MINE, _THEIRS
        return self._view.digest(path), self._origin.digest(path)

    def _both_changed(self, path: bytes, mine: Seen | None, theirs: Seen | None) -> tuple[str, str, str]:
        """Return the words where neither side has the version that the view began with."""
        before = self._contents.get(path, _UNKNOWN)
        if mine is not None and theirs is not None and mine.size != theirs.size and before == _UNKNOWN:
            return before, _MINE, _THEIRS
        return (
            before,
            "" if mine is None else self._view.digest(path),
            "" if theirs is None else self._origin.digest(path),
        )


def _contents_before(earlier: Sequence[Merged], record: Record) -> Mapping[bytes, str]:
    """Return the contents of the versions in the record that merges have replaced since."""
    contents: dict[bytes, str] = {}
    for merged in earlier:
        for path, before in merged.before.items():
            known = record.get(path)
            if known is not None and before.seen == known.origin:
                contents.setdefault(path, before.content)
    return contents
