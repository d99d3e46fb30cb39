"""The state directory of a Pod, for the files that it writes while it runs: volumes, upper layers, logs.

Rules: it is on a disk (TMPDIR, else /var/tmp), in a directory of the caller that containers cannot see. Its file
``lock`` is locked while the runner or the launcher lives. If the file is not locked, the runner was killed, and the
next run removes the state directory. If there is no such file, the state directory was kept on purpose.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from typing import NamedTuple

from monopod.runner.backend_errors import BackendUnavailableError

LOCK_FILE = "lock"
ENGINE_FILE = "engine"
"""The file in the state directory of a container engine's Pod that says what else to remove (``runner.podman``)."""
_AT_ONCE = 4
_DEEPEST = 10


class StateDirectory(NamedTuple):
    """A Pod's directory. ``lock`` is an open file; while a process holds it open, the directory is not removed."""

    path: str
    lock: int


def parent_path() -> str:
    """Return the directory for temporary files that may be large."""
    return os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108  # what is made in it is checked; /tmp is often in memory


def root_path() -> str:
    """Return the directory with the state directories of all Pods of the caller; it exists while there are any."""
    return os.path.join(os.path.realpath(parent_path()), f"monopod-{os.geteuid()}")


def state_root() -> str:
    """Return `root_path`, creating it if it is missing.

    Raises BackendUnavailableError if another user could write to it.
    """
    path = root_path()
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
    except OSError as error:
        raise BackendUnavailableError(f"cannot make {path}: {error.strerror}; set TMPDIR") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise BackendUnavailableError(f"{path} is not a directory of yours with mode 0700; remove it or set TMPDIR")
    return path


def create(name: str) -> StateDirectory:
    """Make a state directory for a Pod called `name`, locked. Raises BackendUnavailableError."""
    while True:
        try:
            path = _made_directory(name)
        except (FileNotFoundError, FileExistsError):  # another run has just removed the root; the name is taken
            continue
        lock = os.open(os.path.join(path, LOCK_FILE), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:  # otherwise another run removed it as abandoned before it was locked
            return StateDirectory(path, lock)
        os.close(lock)


def _made_directory(name: str) -> str:
    """Make a directory with an unused name, as ``tempfile.mkdtemp`` does, which takes long to import."""
    path = os.path.join(state_root(), f"{name}-{os.urandom(4).hex()}")
    os.mkdir(path, 0o700)
    return path


def pod_name(path: str) -> str:
    """Return the name of the Pod that a state directory was made for."""
    return os.path.basename(path).rpartition("-")[0]  # what follows it is random


def remove_abandoned(root: str) -> None:
    """Remove the state directories that nobody has locked, except the directories of a container engine's Pods."""
    for name in os.listdir(root):
        if os.path.exists(os.path.join(root, name, ENGINE_FILE)):
            continue
        try:
            lock = os.open(os.path.join(root, name, LOCK_FILE), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(os.path.join(root, name))
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def release(path: str) -> None:
    """Keep a state directory, but remove the parts that are useless after the run."""
    for name in ("root", "devices", "system", "scratch", "memory"):
        if os.path.isdir(own := os.path.join(path, name)):
            remove(own)
    os.unlink(os.path.join(path, LOCK_FILE))


def discard(path: str) -> None:
    """Remove a state directory, and its parent directory if it was the last. Raises OSError."""
    remove(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def remove(path: str) -> None:
    """Remove a directory and its contents. Raises OSError.

    Containers can make trees that are deeper than the longest path: from a certain depth on, directories are first
    moved up. No symbolic link is followed. Each container has its own tree; a few trees are removed in parallel, since
    a disk that discards freed blocks takes milliseconds per directory, most of them waiting.
    """
    trees = [tree for parent in _directories(path) for tree in _directories(parent)]
    errors: list[OSError] = []
    threads = [threading.Thread(target=_remove_trees, args=(trees, path, errors)) for _ in trees[1:_AT_ONCE]]
    with contextlib.suppress(RuntimeError):  # cannot start a thread: this thread removes everything
        for thread in threads:
            thread.start()
    _remove_trees(trees, path, errors)
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    if errors:
        raise errors[0]
    _remove_tree(path, path)


def _directories(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _remove_trees(trees: list[str], top: str, errors: list[OSError]) -> None:
    """Take trees from the list and remove them, until the list is empty or an error occurs."""
    with contextlib.suppress(IndexError):
        while not errors:
            tree = trees.pop()
            try:
                _remove_tree(tree, top)
            except OSError as error:
                errors.append(error)


def _remove_tree(path: str, top: str) -> None:
    """Remove a directory; directories that are too deep in it are moved to `top` first."""
    moved, name = 0, f"{top}/{os.urandom(8).hex()}"  # containers cannot have taken it
    pending = [(path, 0)]
    emptied = []
    while pending:
        directory, depth = pending.pop()
        emptied.append(directory)
        with os.scandir(directory) as entries:
            found = list(entries)
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif depth < _DEEPEST:
                pending.append((entry.path, depth + 1))
            else:
                moved += 1
                os.rename(entry.path, f"{name}-{moved}")
                pending.append((f"{name}-{moved}", 1))
    for directory in reversed(emptied):
        os.rmdir(directory)
