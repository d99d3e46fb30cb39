"""The record of a private view: what was at each path when the view was made, in the Workspace and in the view.

Rules:

- A file is unchanged if its inode, size and times are as recorded. The record holds no contents.
- `moment` says how many merges there had been (``history``).

Standard library only.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from monopod.coordinator.workspaces.merge import Entry


class Seen(NamedTuple):
    """What distinguishes versions of a file, without the content."""

    inode: int
    changed: int
    modified: int
    size: int
    mode: int
    user: int
    group: int

    @classmethod
    def of(cls, status: os.stat_result) -> Seen:
        """Return what was seen of a file."""
        return cls(
            status.st_ino,
            status.st_ctime_ns,
            status.st_mtime_ns,
            status.st_size,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
        )


class Known(NamedTuple):
    """What was at a path. ``target`` is that of a link."""

    kind: str
    origin: Seen
    view: Seen
    target: str = ""

    def entry(self) -> Entry:
        """Return the entry of the path, without a content if it is a file."""
        times = (self.origin.modified,) if self.kind != "d" else ()
        return Entry(self.kind, self.origin.mode, self.target, times, (self.origin.user, self.origin.group))


Record = Mapping[bytes, Known]


def write(path: str, moment: int, record: Record) -> None:
    """Write a record to a file, which appears once it is complete. Raises OSError."""
    rows = [[os.fsdecode(name), known.kind, known.origin, known.view, known.target] for name, known in record.items()]
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(json.dumps([moment, rows], separators=(",", ":")))  # dump() takes three times as long
    os.replace(f"{path}.new", path)


def read(path: str) -> tuple[int, dict[bytes, Known]]:
    """Return the moment and the record in a file. Raises OSError."""
    with open(path, encoding="ascii") as file:
        moment, rows = json.load(file)
    return moment, {
        os.fsencode(name): Known(kind, Seen(*origin), Seen(*view), target) for name, kind, origin, view, target in rows
    }
