"""Carrying out the operations of a merge in a Workspace, all or none.

Rules:

- First everything that could fail is done beside the Workspace's files: the new files are copied into a directory of
  monopod's own, on the same file system, and the directories are checked to be writable.
- Then a plan is written (``pending``, beside the history), and from this moment on the merge will happen: what follows
  is renaming and removing, and can be done again. If the process is killed in between, the next process that makes or
  merges a view of the Workspace finishes the plan first.
- A directory that its owner cannot write in is made writable for as long as that takes.

Standard library only. Raises UnusableError.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from monopod.coordinator.workspaces import history
from monopod.coordinator.workspaces.copying import ChangedError, Copier, attributes, ignored_owner
from monopod.coordinator.workspaces.merge import Entry, Operations
from monopod.coordinator.workspaces.tree import (
    OWN,
    Directories,
    UnusableError,
    open_below,
    open_directory,
    shown,
    unusable,
)
from monopod.coordinator.workspaces.view_copy import empty, remove_tree

_PENDING: Final = "pending"
_GONE: Final = (FileNotFoundError, NotADirectoryError)


class Place(NamedTuple):
    """A Workspace: the volume, the directory in it, and the directory with the history of the volume.

    ``volume`` and ``root`` are open.
    """

    volume: int
    directory: str
    root: int
    state: str


class Source(NamedTuple):
    """Where the new files come from: the view, and what is before their paths in the Workspace."""

    view: Directories
    prefix: bytes
    copier: Copier

    def of(self, path: bytes) -> tuple[int, bytes]:
        """Return the directory of the view and the name in it of what becomes a path of the Workspace."""
        return self.view.of(path.removeprefix(self.prefix))


class LogLine(NamedTuple):
    """The number of a merge in the history, and its line there."""

    number: int
    line: str


def commit(place: Place, operations: Operations, source: Source, line: LogLine) -> None:
    """Carry out the operations."""
    targets = Directories(place.root)
    _check_writable(operations, targets)
    stage = OWN + os.urandom(6).hex().encode()
    try:
        os.mkdir(stage, 0o700, dir_fd=place.root)
    except OSError as error:
        raise unusable("write in", b"", error) from error
    try:
        plan = _staged(place, stage, operations, source) | line._asdict()
        with _undisturbed():
            _write_plan(place.state, plan)
            _carry_out(place.root, plan)
            _finish(place, plan)
    except BaseException:
        if not os.path.exists(f"{place.state}/{_PENDING}"):
            with contextlib.suppress(OSError):
                remove_tree(place.root, stage)
        raise


def recover(volume: int, state: str) -> None:
    """Finish a merge whose process was killed, if there is one."""
    try:
        with open(f"{state}/{_PENDING}", encoding="ascii") as file:
            plan = json.load(file)
    except FileNotFoundError:
        return
    root = open_below(volume, plan["directory"])
    try:
        with _undisturbed():
            _carry_out(root, plan)
            _finish(Place(volume, plan["directory"], root, state), plan)
    finally:
        os.close(root)


def remove_leftovers(root: int) -> None:
    """Remove what killed processes have left of merges that will not happen."""
    try:
        empty(root, own_only=OWN)
    except OSError as error:
        raise unusable("write in", b"", error) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off signals that end the process."""
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


# Before the plan


def _check_writable(operations: Operations, targets: Directories) -> None:
    for path in operations.paths():
        folder = path.rpartition(b"/")[0]
        try:
            descriptor, _ = targets.of(path)
            status = os.fstat(descriptor)
        except OSError:  # it is made by the merge, or what is above it cannot be reached: then that is reported
            continue
        may_write = os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor, effective_ids=True)
        if not may_write and status.st_uid != os.geteuid():
            raise unusable("write in", folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _staged(place: Place, stage: bytes, operations: Operations, source: Source) -> dict[str, Any]:
    """Copy the new files to the directory `stage`; return the plan."""
    stages = Directories(place.root)
    below, _ = stages.of(stage + b"/x")
    written = []
    for number, (path, entry) in enumerate(operations.written):
        extra: Any = None
        try:
            if entry.kind == "d":
                extra = _attributes_of(*source.of(path))
            else:
                name = b"%d" % number
                source.copier.copy(source.of(path), (below, name), _owner(entry))
                if entry.kind != "l":
                    os.chmod(name, entry.mode, dir_fd=below)
                extra = number
        except (OSError, ChangedError) as error:
            if isinstance(error, OSError):
                raise unusable("copy", path, error) from error
            raise UnusableError(f"{shown(path)} changes while it is merged; is a Sidecar writing it?") from error
        written.append([os.fsdecode(path), list(entry), extra])
    return {
        "directory": place.directory,
        "stage": os.fsdecode(stage),
        "removed": [os.fsdecode(path) for path in operations.removed],
        "written": written,
        "retouched": [[os.fsdecode(path), list(entry)] for path, entry in operations.retouched],
    }


def _owner(entry: Entry) -> tuple[int, int] | None:
    return (entry.owner[0], entry.owner[1]) if entry.owner else None


def _attributes_of(folder: int, name: bytes) -> dict[str, str]:
    try:
        descriptor = open_directory(folder, name)
    except FileNotFoundError:  # a directory of the policy `directory`, which the view does not have
        return {}
    try:
        return {name: os.getxattr(descriptor, name).hex() for name in attributes(descriptor)}
    finally:
        os.close(descriptor)


# The plan, which may be carried out again


def _write_plan(state: str, plan: dict[str, Any]) -> None:
    with open(f"{state}/{_PENDING}.new", "w", encoding="ascii") as file:
        json.dump(plan, file)
    os.replace(f"{state}/{_PENDING}.new", f"{state}/{_PENDING}")


def _finish(place: Place, plan: dict[str, Any]) -> None:
    history.append(place.state, plan["number"], plan["line"])
    with contextlib.suppress(FileNotFoundError):
        remove_tree(place.root, os.fsencode(plan["stage"]))
    os.unlink(f"{place.state}/{_PENDING}")


def _carry_out(root: int, plan: dict[str, Any]) -> None:
    written = [(os.fsencode(path), _entry(entry), extra) for path, entry, extra in plan["written"]]
    becomes = {path: entry for path, entry, _ in written}
    changes = _Changes(root)
    stage = os.fsencode(plan["stage"])
    for path in map(os.fsencode, plan["removed"]):
        changes.do(path, partial(_remove, new=becomes.get(path)))
    changes.forget()
    for path, entry, extra in written:
        if entry.kind == "d":
            changes.do(path, _make_directory)
        else:
            changes.do(path, partial(_put, staged=(root, stage + b"/%d" % extra)))
    for path, entry, extra in reversed(written):
        if entry.kind == "d":
            changes.do(path, partial(_finish_directory, entry=entry, extra=extra))
    for path, entry in ((os.fsencode(path), _entry(entry)) for path, entry in plan["retouched"]):
        changes.do(path, partial(_retouch, entry=entry))
    changes.restore({path for path, entry, _ in written if entry.kind == "d"})


def _entry(fields: list[Any]) -> Entry:
    kind, mode, content, times, owner = fields
    return Entry(kind, mode, content, tuple(times), tuple(owner))


class _Changes:
    """Changes in the directories of a Workspace, some of which must be made writable."""

    def __init__(self, root: int) -> None:
        self._directories = Directories(root)
        self._modes: dict[bytes, int] = {}

    def do(self, path: bytes, change: Callable[[int, bytes], None]) -> None:
        """Make a change to a name in a directory. Does nothing if the directory is gone."""
        try:
            folder, name = self._directories.of(path)
            try:
                change(folder, name)
            except PermissionError:
                status = os.fstat(folder)
                os.fchmod(folder, status.st_mode | 0o700)
                self._modes.setdefault(path.rpartition(b"/")[0], stat.S_IMODE(status.st_mode))
                change(folder, name)
        except _GONE:
            return
        except OSError as error:
            raise unusable("change", path, error) from error

    def forget(self) -> None:
        """Look directories up again: some were replaced."""
        self._directories.forget()

    def restore(self, given_modes: Iterable[bytes]) -> None:
        """Restore the modes of directories, except those that have got their modes."""
        self.forget()
        for path in self._modes.keys() - set(given_modes):
            folder, name = self._directories.of(path)
            with contextlib.suppress(*_GONE):
                os.chmod(name or b".", self._modes[path], dir_fd=folder)


def _remove(folder: int, name: bytes, new: Entry | None) -> None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    is_directory = stat.S_ISDIR(status.st_mode)
    if new is not None and is_directory == (new.kind == "d"):
        return  # it is the new one: this plan is carried out again
    if is_directory:
        os.rmdir(name, dir_fd=folder)
    else:
        os.unlink(name, dir_fd=folder)


def _make_directory(folder: int, name: bytes) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)


def _put(folder: int, name: bytes, staged: tuple[int, bytes]) -> None:
    os.rename(staged[1], name, src_dir_fd=staged[0], dst_dir_fd=folder)


def _finish_directory(folder: int, name: bytes, entry: Entry, extra: dict[str, str]) -> None:
    """Set the mode, the owner and the attributes (`extra`) of a directory."""
    descriptor = open_directory(folder, name)
    try:
        for attribute, value in extra.items():
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, attribute, bytes.fromhex(value))
        _give(folder, name, entry)
        os.fchmod(descriptor, entry.mode)
    finally:
        os.close(descriptor)


def _retouch(folder: int, name: bytes, entry: Entry) -> None:
    _give(folder, name, entry)
    if entry.kind not in "ld":
        os.chmod(name, entry.mode, dir_fd=folder)  # a new owner takes the set-user-ID bit away
    if entry.times:
        with contextlib.suppress(PermissionError):
            os.utime(name, ns=(entry.times[0], entry.times[0]), dir_fd=folder, follow_symlinks=False)


def _give(folder: int, name: bytes, entry: Entry) -> None:
    owner = _owner(entry)
    if owner is not None and os.geteuid() == 0:
        with ignored_owner():
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
