"""Making a private view: a copy of everything in a Workspace, and the record of it.

Rules:

- What an earlier attempt, or another combination of a matrix, has left in the view is removed first.
- Directories get their modes last, since these may forbid to write in them.
- A file that changes while it is copied is copied again, a few times: a Task without a view may be writing.

Standard library only. Raises UnusableError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Final

from monopod.coordinator.workspaces.copying import ChangedError, Copier, copy_attributes
from monopod.coordinator.workspaces.tree import (
    Directories,
    File,
    UnusableError,
    kind_of,
    open_directory,
    shown,
    unusable,
    walk,
)
from monopod.coordinator.workspaces.view_record import Known, Seen

_TRIES: Final = 3


def copy_tree(origin: int, view: int, copier: Copier) -> dict[bytes, Known]:
    """Copy everything in a Workspace to a view, which is empty; return the record."""
    record: dict[bytes, Known] = {}
    made: list[tuple[bytes, os.stat_result]] = []
    targets, sources = Directories(view), Directories(origin)
    for file in walk(origin):
        try:
            target = targets.of(file.path)
            if stat.S_ISDIR(file.status.st_mode):
                os.mkdir(target[1], 0o700, dir_fd=target[0])
                made.append((file.path, file.status))
                continue
            before, after = _copied(file, target, copier)
            link = os.fsdecode(os.readlink(target[1], dir_fd=target[0])) if stat.S_ISLNK(before.st_mode) else ""
        except OSError as error:
            raise unusable("copy", file.path, error) from error
        record[file.path] = Known(kind_of(before), Seen.of(before), Seen.of(after), link)
    for path, status in reversed(made):
        try:
            after = _finish_directory(sources.of(path), targets.of(path), status, copier)
        except OSError as error:
            raise unusable("copy", path, error) from error
        record[path] = Known("d", Seen.of(status), Seen.of(after))
    targets.forget()
    sources.forget()
    return record


def _copied(file: File, target: tuple[int, bytes], copier: Copier) -> tuple[os.stat_result, os.stat_result]:
    for _ in range(_TRIES):
        try:
            return copier.copy((file.folder, file.name), target)
        except ChangedError:
            os.unlink(target[1], dir_fd=target[0])
    raise UnusableError(
        f"{shown(file.path)} changes while it is copied: a Task without a view writes it; give it one, or order the "
        "Tasks with runAfter"
    )


def _finish_directory(
    source: tuple[int, bytes], target: tuple[int, bytes], status: os.stat_result, copier: Copier
) -> os.stat_result:
    reader = open_directory(*source)
    try:
        writer = open_directory(*target)
        try:
            copy_attributes(reader, writer)
            copier.give_descriptor(writer, (status.st_uid, status.st_gid))
            os.fchmod(writer, copier.mode(status.st_mode))
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
            return os.fstat(writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def remove_tree(folder: int, name: bytes) -> None:
    """Remove what is at a name in a directory, and everything in it. Raises OSError."""
    try:
        descriptor = open_directory(folder, name)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)
        descriptor = open_directory(folder, name)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=folder)
        return
    try:
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, 0o700)
        empty(descriptor)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=folder)


def empty(folder: int, *, own_only: bytes = b"") -> None:
    """Remove everything in a directory; with `own_only`, only what has names that start with it. Raises OSError."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    for name in names:
        if name.startswith(own_only):
            remove_tree(folder, name)
