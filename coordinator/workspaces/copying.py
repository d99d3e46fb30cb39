"""Copying one file of a Workspace, so that neither copy ever changes with the other.

Rules:

- The content is shared by a reflink (FICLONE) where the file system has them. Otherwise the kernel copies it
  (copy_file_range, sendfile), holes left out. A hard link is never made.
- Modes, times and extended attributes are kept, owners as far as the user may give files away. An attribute of the
  machine (``security.``, ``system.``, ``trusted.``) that cannot be set is left out; one of a user's is an error.
- A file that changes while it is copied is an error.

Standard library only. Raises OSError, ChangedError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from typing import Final

from monopod.coordinator.workspaces.tree import open_file

_FICLONE: Final = 0x40049409
_SMALL: Final = 64 * 1024
_PIECE: Final = 1 << 30
_UNSUPPORTED: Final = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTTY, errno.EPERM}
_OF_MACHINE: Final = ("security.", "system.", "trusted.")


class ChangedError(Exception):
    """A file changed while it was copied."""


@contextlib.contextmanager
def ignored_owner() -> Iterator[None]:
    """Ignore that a file cannot be given to its owner: root of a user namespace may not, if that has no such user."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EACCES, errno.EINVAL}:
            raise


class Copier:
    """Copies files, links and special files; directories are the caller's.

    `is_shared`: every user may do with the copies what their owner may do. ``reflinked`` and ``copied`` count bytes.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self.reflinked = self.copied = self.files = 0
        self._may_reflink = True
        self._is_root = os.geteuid() == 0

    def copy(
        self, source: tuple[int, bytes], target: tuple[int, bytes], owner: tuple[int, int] | None = None
    ) -> tuple[os.stat_result, os.stat_result]:
        """Copy what is at a name in a directory to another name, which must not exist.

        `owner` is the owner of the copy, by default that of the source. Returns the status of both.
        """
        status = os.stat(source[1], dir_fd=source[0], follow_symlinks=False)
        self.files += 1
        if stat.S_ISREG(status.st_mode):
            return self._copy_file(source, target, owner)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(source[1], dir_fd=source[0]), target[1], dir_fd=target[0])
        else:
            os.mknod(target[1], stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target[0])
        self._give(target, owner or (status.st_uid, status.st_gid))
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(target[1], self.mode(status.st_mode), dir_fd=target[0])
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(target[1], ns=times, dir_fd=target[0], follow_symlinks=False)
        return status, os.stat(target[1], dir_fd=target[0], follow_symlinks=False)

    def mode(self, mode: int) -> int:
        """Return the mode of a copy."""
        return shared_mode(mode) if self.is_shared else stat.S_IMODE(mode)

    def give_descriptor(self, descriptor: int, owner: tuple[int, int]) -> None:
        """Change the owner of an open file, if the user may do that."""
        if self._is_root:
            with ignored_owner():
                os.fchown(descriptor, *owner)

    def _give(self, target: tuple[int, bytes], owner: tuple[int, int]) -> None:
        if self._is_root:
            with ignored_owner():
                os.chown(target[1], *owner, dir_fd=target[0], follow_symlinks=False)

    def _copy_file(
        self, source: tuple[int, bytes], target: tuple[int, bytes], owner: tuple[int, int] | None
    ) -> tuple[os.stat_result, os.stat_result]:
        reader = open_file(*source)
        try:
            before = os.fstat(reader)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            writer = os.open(target[1], flags, 0o600, dir_fd=target[0])
            try:
                self._copy_content(reader, writer, before)
                self.give_descriptor(writer, owner or (before.st_uid, before.st_gid))
                os.fchmod(writer, self.mode(before.st_mode))
                copy_attributes(reader, writer)
                os.utime(writer, ns=(before.st_atime_ns, before.st_mtime_ns))
                made = os.fstat(writer)
            finally:
                os.close(writer)
            after = os.fstat(reader)
        finally:
            os.close(reader)
        if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
            after.st_size,
            after.st_mtime_ns,
            after.st_ctime_ns,
        ):
            raise ChangedError
        return before, made

    def _copy_content(self, reader: int, writer: int, status: os.stat_result) -> None:
        size = status.st_size
        if not size:
            return
        if self._may_reflink and self._reflink(reader, writer):
            self.reflinked += size
            return
        self.copied += min(size, status.st_blocks * 512)
        if size <= _SMALL and status.st_blocks * 512 >= size:
            data = os.read(reader, _SMALL + 1)
            if len(data) != size or os.write(writer, data) != size:
                raise ChangedError
            return
        end = 0
        while end < size:
            try:
                start = os.lseek(reader, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # the rest is a hole
                    break
                raise
            end = min(os.lseek(reader, start, os.SEEK_HOLE), size)
            _copy_range(reader, writer, start, end)
        os.ftruncate(writer, size)

    def _reflink(self, reader: int, writer: int) -> bool:
        try:
            fcntl.ioctl(writer, _FICLONE, reader)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self._may_reflink = False
            return False
        return True


def shared_mode(mode: int) -> int:
    """Return a mode with which every user may do what the owner may do."""
    owner = mode >> 6 & 0o7
    return stat.S_IMODE(mode) | owner << 3 | owner


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    at = start
    try:
        while at < end:
            count = os.copy_file_range(reader, writer, min(end - at, _PIECE), at, at)
            if not count:
                raise ChangedError
            at += count
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    os.lseek(writer, at, os.SEEK_SET)
    while at < end:
        count = os.sendfile(writer, reader, at, min(end - at, _PIECE))
        if not count:
            raise ChangedError
        at += count


def copy_attributes(reader: int, writer: int) -> None:
    """Copy the extended attributes of an open file."""
    for name in attributes(reader):
        try:
            os.setxattr(writer, name, os.getxattr(reader, name))
        except OSError as error:
            if not name.startswith(_OF_MACHINE):
                raise OSError(error.errno, f"extended attribute {name}: {error.strerror}") from error


def attributes(descriptor: int) -> list[str]:
    """Return the names of the extended attributes of an open file."""
    try:
        return sorted(os.listxattr(descriptor))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return []
        raise
