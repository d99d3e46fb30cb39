"""The files of a Workspace: walking through them, and opening one of them.

Rules:

- No symbolic link is followed: each directory is opened below the descriptor of its parent. A Sidecar may change files
  meanwhile.
- Paths are bytes, relative to the root, and come in the order of their names, a directory before what is in it.
- A name that starts with `OWN` in the root belongs to monopod, and ``lost+found`` to the file system. Neither is a file
  of the Workspace.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

OWN: Final = b".monopod-merge-"
"""How the names of monopod's own directories start."""
_OF_FILE_SYSTEM: Final = b"lost+found"
_KINDS: Final = {
    stat.S_IFREG: "f",
    stat.S_IFLNK: "l",
    stat.S_IFDIR: "d",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}
_MOST_OPEN: Final = 64


class UnusableError(Exception):
    """A file of the Workspace cannot be read or written. The text says which, and why."""


class File(NamedTuple):
    """A path below the root. ``folder`` is an open descriptor of its directory, until the next file is asked for."""

    path: bytes
    status: os.stat_result
    folder: int
    name: bytes


def kind_of(status: os.stat_result) -> str:
    """Return the letter of a kind of file: ``f``, ``l`` (symbolic link), ``d``, ``p`` (FIFO), ``s``, ``b`` or ``c``."""
    return _KINDS[stat.S_IFMT(status.st_mode)]


def shown(path: bytes) -> str:
    """Return a path as a message shows it: on one line."""
    text = os.fsdecode(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def unusable(what: str, path: bytes, error: OSError) -> UnusableError:
    """Return the error that says that a path cannot be read or written (`what`)."""
    return UnusableError(f"cannot {what} {shown(path) or 'the Workspace'}: {error.strerror}")


def open_root(path: str) -> int:
    """Return a descriptor of the root of a Workspace. Raises UnusableError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UnusableError(f"cannot read {path}: {error.strerror}") from error


def open_below(root: int, path: str) -> int:
    """Return a descriptor of a directory below the root, which is made if it is missing. Raises UnusableError."""
    descriptor, at = os.dup(root), b""
    for name in filter(None, os.fsencode(path).split(b"/")):
        at = at + b"/" + name if at else name
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=descriptor)
            below = open_directory(descriptor, name)
        except OSError as error:
            raise unusable("open", at, error) from error
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def walk(root: int) -> Iterator[File]:
    """Yield everything below the root. Raises UnusableError."""
    open_directories: list[int] = []
    pending = [_entries(root, b"")]
    try:
        while pending:
            file = next(pending[-1], None)
            if file is None:
                pending.pop()
                if open_directories:
                    os.close(open_directories.pop())
                continue
            yield file
            if stat.S_ISDIR(file.status.st_mode):
                try:
                    open_directories.append(open_directory(file.folder, file.name))
                except OSError as error:
                    raise unusable("read", file.path, error) from error
                pending.append(_entries(open_directories[-1], file.path))
    finally:
        for descriptor in open_directories:
            os.close(descriptor)


def _entries(folder: int, path: bytes) -> Iterator[File]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(os.fsencode(entry.name) for entry in entries)
    except OSError as error:
        raise unusable("read", path, error) from error
    for name in names:
        if not path and (name.startswith(OWN) or name == _OF_FILE_SYSTEM):
            continue
        below = path + b"/" + name if path else name
        try:
            yield File(below, os.stat(name, dir_fd=folder, follow_symlinks=False), folder, name)
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError as error:
            raise unusable("read", below, error) from error


class Directories:
    """Open directories below a root, by path. Keeps the last ones open, for as long as it exists."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._open: OrderedDict[bytes, int] = OrderedDict()

    def __del__(self) -> None:
        self.forget()

    def of(self, path: bytes) -> tuple[int, bytes]:
        """Return a descriptor of the directory that a path is in, valid until the next call, and the name in it.

        Raises OSError.
        """
        folder, _, name = path.rpartition(b"/")
        return self._opened(folder), name

    def forget(self) -> None:
        """Close all directories: some may have been replaced."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _opened(self, path: bytes) -> int:
        if not path:
            return self.root
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        parent, _, name = path.rpartition(b"/")
        descriptor = open_directory(self._opened(parent), name)
        self._open[path] = descriptor
        if len(self._open) > _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return descriptor


def open_directory(folder: int, name: bytes) -> int:
    """Open a directory for reading. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def open_file(folder: int, name: bytes) -> int:
    """Open a regular file for reading. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
