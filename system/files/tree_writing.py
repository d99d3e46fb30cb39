"""Writes segments of a tree (``tree_reading``) into a directory, which nothing in them can leave.

Rules:

- Every name is looked up below the descriptor of its directory, without following symbolic links: not even a link that
  was written before leads out. The directory may be a person's own, and the segments may come from a hostile Pod.
- A file is not executable for, or writable by, more users than its mode says. Owners are taken from the segments only
  if that is asked for. What cannot be given to its owner is then for every user.
- The set-user-ID, set-group-ID and sticky bits are only set by root, in what it has given to its user and group.
- Writing a segment twice gives the same as writing it once: a copy that was interrupted continues with the last one.
- Modes of directories are set last (`settle`): they may forbid to write in them.

Left to others: whether the segments are the segments that were sent (``file_transfer``).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from monopod.system.files.tar_entries import PERMISSIONS, Entry, MalformedError, components, stays_inside, unpack
from monopod.system.write_all import write_all

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Modes(NamedTuple):
    """How modes are changed. ``forbidden`` bits are removed; with ``shared`` every user gets what the owner may do.

    Where a directory gives its group to what is in it (set-group-ID, as an fsGroup does), the group gets that too,
    unless the modes are ``exact``. Of the bits beyond the permissions, only the ``special`` ones stay.
    """

    forbidden: int = 0
    shared: bool = False
    exact: bool = False
    special: int = 0

    def of(self, mode: int, directory: int) -> int:
        """Return the mode for a file or directory in the directory with a mode."""
        owner = mode >> 6 & 0o7
        mode &= PERMISSIONS | self.special
        if self.shared or (directory & stat.S_ISGID and not self.exact):
            mode |= owner << 3
        if self.shared:
            mode |= owner
        return mode & ~self.forbidden


class TreeWriter:
    """Writes a tree below `root`, a directory that exists. Owns its descriptors until `close`.

    With `only_inside`, symbolic links that could lead out of the root are left out, and listed in ``left_out``. With
    `has_owners`, each file gets its owner and exactly its mode: root may give files away, another user keeps them, and
    then every user may do with them what their owner may do.

    ``files`` and ``length`` count the files and links, and the bytes, that were written.
    """

    def __init__(
        self,
        root: bytes,
        modes: Modes = Modes(),  # noqa: B008
        *,
        only_inside: bool = False,
        has_owners: bool = False,
    ) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._path = _OpenPath(self._root)
        self._modes = modes
        self._only_inside = only_inside
        self._has_owners = has_owners
        self._directories: dict[bytes, Entry] = {}
        self.files = self.length = 0
        self.left_out: list[bytes] = []

    def close(self) -> None:
        """Close what is open."""
        self._path.close()
        os.close(self._root)

    def write(self, segment: bytes) -> None:
        """Write a segment. Raises MalformedError, OSError."""
        for entry, data in unpack(segment):
            *parents, name = components(entry.path)
            try:
                self._write_entry(self._path.open(parents), name, entry, data)
            except OSError as error:
                error.filename = os.fsdecode(entry.path)
                raise

    def settle(self, root: int | None = None) -> None:
        """Set the modes and times of the directories, the deepest first. Raises OSError.

        `root` is the directory that they are below now.
        """
        self._path.close()
        path = _OpenPath(self._root if root is None else root)
        with contextlib.closing(path):
            for entry in sorted(self._directories.values(), key=lambda entry: entry.path.count(b"/"), reverse=True):
                *parents, name = entry.path.split(b"/")
                parent = path.open(parents)
                with _open_directory(parent, name) as directory:
                    status = os.fstat(directory)
                    current = status.st_mode
                    if self._has_owners and os.geteuid() not in {0, status.st_uid}:
                        continue  # it was there before, such as one that kubelet has made for a subPath
                    modes = self._given_away(directory, entry, parent)
                    os.utime(directory, (entry.mtime, entry.mtime))
                    os.fchmod(directory, modes.of(entry.mode, current) | current & stat.S_ISGID)
        self._directories.clear()

    def _write_entry(self, directory: int, name: bytes, entry: Entry, data: memoryview) -> None:
        if entry.kind == "directory":
            with _open_directory(directory, name):
                self._directories[entry.path] = entry
        elif entry.kind == "file":
            self.files += not entry.more
            self.length += len(data)
            self._write_part(directory, name, entry, data)
        elif self._only_inside and not stays_inside(entry.path, entry.target):
            self.left_out.append(entry.path)
        else:
            self.files += 1
            _remove(directory, name)
            os.symlink(entry.target, name, dir_fd=directory)
            os.utime(name, (entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)
            self._given_away(name, entry, directory)

    def _given_away(self, file: int | bytes, entry: Entry, directory: int) -> Modes:
        """Give a file to its owner, if that is wanted, and return how its mode is changed.

        `file` is its descriptor, or the name of a link in the directory. If the root gives its group away
        (set-group-ID), everything keeps that group.
        """
        if not self._has_owners:
            return self._modes
        user, group = entry.owner
        exact, shared = self._modes._replace(exact=True), self._modes._replace(shared=True)
        if os.geteuid() == 0:
            root = os.fstat(self._root)
            gets_group = not root.st_mode & stat.S_ISGID
            special = _SPECIAL if gets_group or root.st_gid == group else _SPECIAL & ~stat.S_ISGID
            group = group if gets_group else -1
            try:
                if isinstance(file, int):
                    os.fchown(file, user, group)
                else:
                    os.chown(file, user, group, dir_fd=directory, follow_symlinks=False)
            except OSError:  # without the capability, or a user that this user namespace does not have
                return shared
            return exact._replace(special=special)
        return exact if user == os.geteuid() else shared

    def _write_part(self, directory: int, name: bytes, entry: Entry, data: memoryview) -> None:
        if entry.offset == 0:
            _remove(directory, name)
        descriptor = _open_file(directory, name)
        try:
            os.ftruncate(descriptor, entry.size)
            os.lseek(descriptor, entry.offset, os.SEEK_SET)
            write_all(descriptor, data)
            if not entry.more:
                modes = self._given_away(descriptor, entry, directory)
                os.utime(descriptor, (entry.mtime, entry.mtime))
                os.fchmod(descriptor, modes.of(entry.mode, os.fstat(directory).st_mode))
        finally:
            os.close(descriptor)


class _OpenPath:
    """The directories on the way to the last one that was asked for, which stay open: files come in their order."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: list[tuple[bytes, int]] = []

    def open(self, names: list[bytes]) -> int:
        """Return the descriptor of the directory with a path below the root. Directories that are missing are made."""
        shared = 0
        while shared < min(len(names), len(self._open)) and self._open[shared][0] == names[shared]:
            shared += 1
        self._shorten(shared)
        for name in names[shared:]:
            self._open.append((name, _made_directory(self._open[-1][1] if self._open else self._root, name)))
        return self._open[-1][1] if self._open else self._root

    def close(self) -> None:
        """Close all of them."""
        self._shorten(0)

    def _shorten(self, length: int) -> None:
        while len(self._open) > length:
            os.close(self._open.pop()[1])


@contextlib.contextmanager
def _open_directory(parent: int, name: bytes) -> Iterator[int]:
    """Open a directory, and make it if it is missing."""
    descriptor = _made_directory(parent, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _made_directory(parent: int, name: bytes) -> int:
    """Return the descriptor of a directory, which is made if it is missing."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except NotADirectoryError as error:
        raise MalformedError(f"{name!r} is a directory, and something else") from error


def _open_file(directory: int, name: bytes) -> int:
    """Open a regular file for writing, and make it if it is missing."""
    try:
        descriptor = os.open(name, _FILE | os.O_CREAT, 0o600, dir_fd=directory)
    except PermissionError:  # its last part was written before; its mode forbids to write it again
        _make_writable(directory, name)
        descriptor = os.open(name, _FILE, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MalformedError(f"{name!r} is a file, and something else")
    return descriptor


def _make_writable(directory: int, name: bytes) -> None:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", 0o600)
    finally:
        os.close(descriptor)


def _remove(directory: int, name: bytes) -> None:
    """Remove what is not a directory."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def move_into(source: bytes, target: bytes) -> None:
    """Move what is in one directory into another: directories are merged, and other files replaced.

    Nothing is moved if something cannot be. Raises OSError with the path in the target.
    """
    with opened_root(source) as source_root, opened_root(target) as target_root:
        for step in (_check_entry, _move_entry):
            _for_entries(source_root, target_root, b"", step)


_Step = Callable[[int, int, bytes, bytes], bool]


def _for_entries(source: int, target: int, path: bytes, step: _Step) -> None:
    for name in sorted(map(os.fsencode, os.listdir(source))):
        below = path + b"/" + name if path else name
        if step(source, target, name, below):
            with _open_directory(source, name) as inner_source, _open_directory(target, name) as inner_target:
                _for_entries(inner_source, inner_target, below, step)


def _check_entry(source: int, target: int, name: bytes, path: bytes) -> bool:
    """Return whether both are directories. Raises OSError if a directory would be replaced."""
    kinds = [_kind(directory, name) for directory in (source, target)]
    if kinds[1] == stat.S_IFDIR and kinds[0] != stat.S_IFDIR:
        raise IsADirectoryError(21, "it is a directory, and the file would replace it", os.fsdecode(path))
    return kinds == [stat.S_IFDIR, stat.S_IFDIR]


def _move_entry(source: int, target: int, name: bytes, path: bytes) -> bool:
    if _check_entry(source, target, name, path):
        return True
    if _kind(source, name) == stat.S_IFDIR:
        _remove(target, name)
    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    return False


def _kind(directory: int, name: bytes) -> int | None:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def opened_root(path: bytes) -> Iterator[int]:
    """Open a directory by its path, which may lead through links. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
