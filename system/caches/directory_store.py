"""A store of cache entries in a directory, which several machines may share.

Layout::

    entries/ID/entry.json   the entry (``entry_json``); ID is a hash of its version and key
    entries/ID/content.gz   its content (``content``); its time of modification is when the entry was last used
    drafts/NAME/…           an entry that is being saved or removed, locked by the process that does it

Rules:

- An entry appears and disappears by rename(2), with its content. A directory cannot be renamed over one that has files:
  that is what makes the first of two equal keys win, on any file system.
- What a process that was killed has left in ``drafts`` is not locked, and removed by the next that saves.
- Everybody who can reach the directory may save and remove entries, whatever their user.
- A full file system is like a full cache of GitHub's: the least recently used entries make room for a new one.
- What is in the directory may be hostile: only regular files are opened, and no links followed.
- What is in ``entries`` and is not an entry is damage: it counts as no entry, is reported, and gives way to a new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import BinaryIO, Final

from monopod.system.caches.content import Source
from monopod.system.caches.entry_json import LONGEST, from_json, to_json
from monopod.system.caches.keys import Entry, choose
from monopod.system.caches.store import Damage, Draft, Pack, StoreError
from monopod.system.locks import is_locked

_ENTRY: Final = "entry.json"
_CONTENT: Final = "content.gz"
_UNLOCKED: Final = "new-"
"""The beginning of the name of a draft that is not locked yet."""
_FOR_ALL: Final = 0o777
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_MARGIN: Final = 64 * 1024
"""What an entry takes beside its content, generously."""
_EXISTS: Final = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_MISSING_OR_OTHER: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO}
"""Errors of opening a file that is not there or not regular; others may pass."""


class DirectoryStore:
    """The store in a directory, which is made when the first entry is saved."""

    def __init__(self, directory: str) -> None:
        self._entries = f"{directory}/entries"
        self._drafts = f"{directory}/drafts"
        self._damaged: dict[str, str] = {}

    def find(self, version: str, key: str, restore_keys: Sequence[str]) -> Entry | None:
        """Return the entry to restore."""
        exact = self._read(identity(version, key))
        if exact is not None and (exact.version, exact.key) == (version, key):
            return exact
        return choose((entry for entry in self.entries() if entry.version == version), key, restore_keys)

    def has(self, version: str, key: str) -> bool:
        """Return whether there is an entry with exactly this key."""
        return self._read(identity(version, key)) is not None

    @contextlib.contextmanager
    def opened(self, entry: Entry) -> Iterator[Source]:
        """Give the content of an entry. A damaged entry is removed, so that it can be saved again."""
        path = f"{self._entries}/{identity(entry.version, entry.key)}/{_CONTENT}"
        with contextlib.ExitStack() as stack:
            with _failures():
                file = stack.enter_context(_opened(path))
                is_whole = _is_content_of(entry, file)
            if not is_whole:
                self.remove(entry)
                raise StoreError(f"the entry '{entry.key}' was damaged and is removed")
            _note_use(path)
            yield file

    def prepare(self) -> None:
        """Make the directories of the store. Raises StoreError."""
        with _failures():
            for directory in (self._entries, self._drafts):
                _make_shared(directory)

    def save(self, draft: Draft, pack: Pack) -> Entry | None:
        """Save an entry, unless its key exists. If the file system is full, other entries make room for it."""
        try:
            return self._save(draft, pack)
        except StoreError as error:
            is_full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
            if not is_full or not self._make_room(_length_of(pack)):
                raise
        return self._save(draft, pack)

    def _make_room(self, length: int) -> bool:
        """Remove the least recently used entries until so many bytes are free; none if all are not enough."""
        entries = self.entries()
        with _failures():
            status = os.statvfs(self._drafts)
            missing = length + _MARGIN - status.f_bavail * status.f_frsize
            if sum(entry.size for entry in entries) < missing:
                return False
            now = time.time()
            for entry in sorted(entries, key=lambda entry: (-entry.unused_for(now), entry.key)):
                if missing <= 0:
                    break
                self.remove(entry)
                missing -= entry.size
        return True

    def _save(self, draft: Draft, pack: Pack) -> Entry | None:
        self.prepare()
        with _failures():
            self._remove_leftovers()
        if self.has(draft.version, draft.key):
            return None
        with self._new_draft() as (path, file):
            digest = hashlib.sha256()

            def write(data: bytes) -> None:
                digest.update(data)
                with _failures():
                    file.write(data)

            parts = pack(write)
            with _failures():
                file.flush()
                now = time.time()
                entry = Entry(*draft, now, now, file.tell(), digest.hexdigest(), parts)
                os.fsync(file.fileno())
                _write(f"{path}/{_ENTRY}", to_json(entry))
                return entry if self._appeared(path, identity(draft.version, draft.key)) else None

    def _appeared(self, draft: str, name: str) -> bool:
        """Make an entry of a draft, and return whether it was the first; a malformed entry gives way."""
        while not _renamed(draft, f"{self._entries}/{name}"):
            if self._read(name) is not None:
                return False
            self._remove(name)
        return True

    def entries(self) -> list[Entry]:
        """Return all entries, the newest first."""
        names: list[str] = []
        with _failures(), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = os.listdir(self._entries)
        entries = [entry for entry in map(self._read, names) if entry is not None]
        return sorted(entries, key=lambda entry: (-entry.created, entry.key))

    def remove(self, entry: Entry) -> None:
        """Remove an entry; a process that has opened it can read on."""
        with _failures():
            _make_shared(self._drafts)
            self._remove(identity(entry.version, entry.key))

    @property
    def damaged(self) -> Sequence[Damage]:
        """What the other methods have met so far that is not an entry."""
        return tuple(Damage(path, why) for path, why in self._damaged.items())

    def remove_damaged(self, damage: Damage) -> None:
        """Remove what is not an entry; a link is not followed."""
        with _failures():
            _make_shared(self._drafts)
            self._remove(os.path.basename(damage.path))

    def _remove(self, name: str) -> None:
        removed = f"{self._drafts}/{_unique_name()}"
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.rename(f"{self._entries}/{name}", removed)
            self._damaged.pop(f"{self._entries}/{name}", None)
            _delete(removed)

    def _read(self, name: str) -> Entry | None:
        """Return the entry in a directory of ``entries``; None if there is none. Damage is noted."""
        path = f"{self._entries}/{name}"
        try:
            directory = os.open(path, _DIRECTORY)
        except OSError:
            if (kind := _other_kind(path)) is not None:
                self._damaged[path] = f"it is {kind}, not a directory"
            return None
        try:
            return _entry_in(directory, name)
        except (OSError, ValueError) as error:
            is_damage = isinstance(error, ValueError) or error.errno in _MISSING_OR_OTHER
            if is_damage and _is_at(path, directory):  # else another process has removed it
                self._damaged[path] = _why_damaged(error)
            return None
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def _new_draft(self) -> Iterator[tuple[str, BinaryIO]]:
        """Give a directory for a draft, and its content to write; what is left of it at the end is removed."""
        name = _unique_name()
        path, unlocked = f"{self._drafts}/{name}", f"{self._drafts}/{_UNLOCKED}{name}"
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            with _failures():
                os.mkdir(unlocked)
                os.chmod(unlocked, _FOR_ALL)
                file = stack.enter_context(open(f"{unlocked}/{_CONTENT}", "xb"))
                os.fchmod(file.fileno(), 0o666)
                _lock(file.fileno())
                os.rename(unlocked, path)
            yield path, file

    def _remove_leftovers(self) -> None:
        for name in os.listdir(self._drafts):
            path = f"{self._drafts}/{name}"
            if not _is_in_use(path):
                with contextlib.suppress(OSError):
                    _delete(path)


def _entry_in(directory: int, name: str) -> Entry:
    """Return the entry in an open directory of ``entries`` with a name. Raises OSError, ValueError."""
    with _opened(_ENTRY, directory) as file:
        text = file.read(LONGEST + 1)
    status = os.stat(_CONTENT, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", _CONTENT)
    entry = from_json(text, status.st_mtime)
    if identity(entry.version, entry.key) != name:
        raise ValueError(f"it is for another key: {entry.key}")
    return entry


def _why_damaged(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return f"{_ENTRY}: {error}"
    return f"{error.filename or _ENTRY}: {error.strerror}"


def _other_kind(path: str) -> str | None:
    """Return what is at a path if it is not a directory; None if it is, or nothing is there."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        return None
    return "a symbolic link" if stat.S_ISLNK(mode) else "a file"


def _is_at(path: str, directory: int) -> bool:
    """Return whether an open directory is still at its path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(directory))
    except OSError:
        return False


def _delete(path: str) -> None:
    """Remove a directory with its content, or something else; a link is not followed. Raises OSError."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _length_of(pack: Pack) -> int:
    """Return how many bytes the content of an entry has."""
    length = 0

    def count(data: bytes) -> None:
        nonlocal length
        length += len(data)

    pack(count)
    return length


def identity(version: str, key: str) -> str:
    """Return the name of an entry in ``entries``."""
    return hashlib.sha256(f"{version}\0{key}".encode()).hexdigest()[:32]


def _unique_name() -> str:
    return os.urandom(12).hex()


def _renamed(source: str, target: str) -> bool:
    """Rename a directory; return False if there is one with this name."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno in _EXISTS:
            return False
        raise
    return True


def _is_in_use(draft: str) -> bool:
    """Return whether a process is writing a draft. One that may be about to be locked is not probed (``is_locked``)."""
    if os.path.basename(draft).startswith(_UNLOCKED) or _other_kind(draft) is not None:
        return _is_younger(draft, 60)
    try:
        descriptor = os.open(f"{draft}/{_CONTENT}", _READ)
    except OSError:
        return _is_younger(draft, 60)
    try:
        return is_locked(descriptor)
    except OSError:  # a file system without locks
        return _is_younger(draft, 24 * 3600)
    finally:
        os.close(descriptor)


def _is_younger(path: str, seconds: float) -> bool:
    try:
        return abs(time.time() - os.lstat(path).st_mtime) < seconds
    except OSError:
        return True


def _lock(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _make_shared(directory: str) -> None:
    """Make a directory that every user may write to. Raises OSError if there is a link in its place."""
    os.makedirs(directory, exist_ok=True)
    descriptor = os.open(directory, _DIRECTORY)
    try:
        with contextlib.suppress(PermissionError):  # another user made it
            os.fchmod(descriptor, _FOR_ALL)
    finally:
        os.close(descriptor)


def _is_content_of(entry: Entry, file: BufferedReader) -> bool:
    """Return whether a file, which is at its beginning afterwards, is the content of an entry.

    A file of another size is not read: it may be endless, or very large.
    """
    if os.fstat(file.fileno()).st_size != entry.size:
        return False
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest == entry.digest


def _note_use(path: str) -> None:
    """Set the time of modification of a file to now, if that is possible: the volume may be read-only."""
    now = time.time_ns()
    with contextlib.suppress(OSError):
        try:
            os.utime(path, ns=(now, now))
        except PermissionError:  # another user's: only the time of the kernel's clock, which is some milliseconds late
            os.utime(path)


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), 0o666)
        os.fsync(file.fileno())


def _opened(path: str, directory: int | None = None) -> BufferedReader:
    """Open a regular file, in a directory, for reading. Raises OSError."""
    descriptor = os.open(path, _READ, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return open(descriptor, "rb")


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Raise StoreError instead of OSError."""
    try:
        yield
    except OSError as error:
        where = f" at {error.filename}" if error.filename is not None else ""
        raise StoreError(f"cannot use the cache{where}: {error.strerror or error}") from error
