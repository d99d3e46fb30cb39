"""Reads the files of a directory as segments: tar archives of about a megabyte each (``tar_entries``).

Rules:

- Reading the same files again gives the same segments, so that an interrupted copy can continue.
- Files and links come first, then the directories, the deepest first: their modes may forbid to write in them.
- Only files, symbolic links and directories are read. Holes of sparse files are left out.
- A file that changes while it is read is an error: half of one version and half of another is not a copy.

``tree_writing`` writes them, ``file_transfer`` carries them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from monopod.system.files.tar_entries import BLOCK, DEEPEST, PERMISSIONS, Entry, pack

SEGMENT_BYTES: Final = 1 << 20


class Choice(Enum):
    """Whether a path is read. What is in a directory that is not read is not read either."""

    YES = "it is read"
    INSIDE = "the directory is only read if something in it is"
    NO = "it is not read"


Wanted: TypeAlias = Callable[[bytes, bool], Choice]
"""Decides whether a path is read: the path, and whether it is a directory."""


class ChangedError(Exception):
    """A file changed while it was read. The text is its path."""


class UnreadableError(Exception):
    """A file cannot be read. The text says which, and why."""


class TreeFile(NamedTuple):
    """A file, symbolic link or directory below the root of a tree."""

    path: bytes
    status: os.stat_result


class Size(NamedTuple):
    """How much there is to copy: files and links, bytes in files, and bytes of segments, about."""

    files: int
    content: int
    length: int


def everything(_path: bytes, _is_directory: bool) -> Choice:
    """Want every path."""
    return Choice.YES


def read_segments(root: bytes, is_wanted: Wanted = everything, *, has_owners: bool = False) -> Iterator[bytes]:
    """Yield the tree below a directory; if `root` is a file or a link, only that, by its own name.

    `has_owners`: with the user and group of each, and all bits of its mode. Raises UnreadableError, ChangedError.
    """
    segment = bytearray()
    for entry, data in _entries(root, is_wanted):
        if segment and len(segment) + len(data) > SEGMENT_BYTES:
            yield bytes(segment)
            segment.clear()
        segment += pack(entry if has_owners else entry._replace(owner=(0, 0), mode=entry.mode & PERMISSIONS), data)
    if segment:
        yield bytes(segment)


def measure(root: bytes, is_wanted: Wanted = everything) -> Size:
    """Return how much `read_segments` will yield. Raises UnreadableError."""
    files = content = length = 0
    for file in walk(root, is_wanted):
        files += not stat.S_ISDIR(file.status.st_mode)
        length += BLOCK
        if stat.S_ISREG(file.status.st_mode):
            content += file.status.st_size
            length += min(file.status.st_size, file.status.st_blocks * 512)
    return Size(files, content, length)


def walk(root: bytes, is_wanted: Wanted = everything) -> Iterator[TreeFile]:
    """Yield what is in a directory in the order of its paths, a directory after what is in it."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        raise _failed(root, error) from error
    for entry in entries:
        yield from _walk_entry(entry, entry.name, is_wanted)


def _walk_entry(entry: os.DirEntry[bytes], path: bytes, is_wanted: Wanted) -> Iterator[TreeFile]:
    is_directory = entry.is_dir(follow_symlinks=False)
    choice = is_wanted(path, is_directory)
    if choice is Choice.NO:
        return
    if path.count(b"/") >= DEEPEST:
        raise UnreadableError(f"cannot copy {os.fsdecode(path[:100])}…: a path has more than {DEEPEST} names")
    try:
        inside = sorted(os.scandir(entry.path), key=lambda each: each.name) if is_directory else ()
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        raise _failed(entry.path, error) from error
    is_empty = True
    for child in inside:
        for file in _walk_entry(child, path + b"/" + child.name, is_wanted):
            is_empty = False
            yield file
    if choice is Choice.INSIDE and is_empty:
        return
    if is_directory or stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
        yield TreeFile(path, status)


def _entries(root: bytes, is_wanted: Wanted) -> Iterator[tuple[Entry, bytes]]:
    directories: list[TreeFile] = []
    for file in _files(root, is_wanted):
        if stat.S_ISDIR(file.status.st_mode):
            directories.append(file)
            continue
        source = os.path.join(root, file.path) if file.path else root
        path = file.path or os.path.basename(root)
        try:
            if stat.S_ISLNK(file.status.st_mode):
                yield (
                    Entry(path, "link", 0o777, _mtime(file.status), os.readlink(source), owner=_owner(file.status)),
                    b"",
                )
            else:
                yield from _parts(source, path)
        except OSError as error:
            raise _failed(source, error) from error
    for file in sorted(directories, key=lambda file: file.path.count(b"/"), reverse=True):
        status = file.status
        yield Entry(file.path, "directory", status.st_mode, _mtime(status), owner=_owner(status)), b""


def _files(root: bytes, is_wanted: Wanted) -> Iterator[TreeFile]:
    try:
        status = os.lstat(root)
    except OSError as error:
        raise UnreadableError(f"cannot read {os.fsdecode(root)}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        yield from walk(root, is_wanted)
    else:
        yield TreeFile(b"", status)


def _parts(source: bytes, path: bytes) -> Iterator[tuple[Entry, bytes]]:
    """Yield a regular file in parts. Raises OSError, ChangedError."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ChangedError(os.fsdecode(path))
        whole = Entry(path, "file", status.st_mode, _mtime(status), size=status.st_size, owner=_owner(status))
        pieces = list(_pieces(descriptor, status))
        if not pieces or pieces[0][0]:
            pieces.insert(0, (0, 0))  # the part at 0 makes the file
        for index, (offset, length) in enumerate(pieces):
            data = os.pread(descriptor, length, offset)
            if len(data) != length:
                raise ChangedError(os.fsdecode(path))
            if index == len(pieces) - 1 and _is_changed(status, os.fstat(descriptor)):
                raise ChangedError(os.fsdecode(path))
            yield whole._replace(offset=offset, more=index < len(pieces) - 1), data
    finally:
        os.close(descriptor)


def _pieces(descriptor: int, status: os.stat_result) -> Iterator[tuple[int, int]]:
    """Yield the offset and the length of each piece of a file's data."""
    for start, end in _extents(descriptor, status):
        for offset in range(start, end, SEGMENT_BYTES):
            yield offset, min(SEGMENT_BYTES, end - offset)


def _extents(descriptor: int, status: os.stat_result) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each part of a file that is not a hole."""
    size = status.st_size
    if status.st_blocks * 512 >= size:
        if size:
            yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: the rest is a hole
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        if start < size:
            yield start, min(end, size)


def _mtime(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000_000_000


def _owner(status: os.stat_result) -> tuple[int, int]:
    return status.st_uid, status.st_gid


def _is_changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _failed(path: bytes, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):  # it was listed
        return ChangedError(os.fsdecode(path))
    return UnreadableError(f"cannot read {os.fsdecode(path)}: {error.strerror}")
