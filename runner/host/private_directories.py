"""monopod's own directories, which no container may see: the state of other runs, records, claims, the cache.

Rules: a container sees an empty directory at each of these paths, also inside a volume. A claim that the Pod mounts is
visible where it is mounted. A missing directory is created, since only an existing directory can be hidden and another
run could create it while this one's containers run. A Step can move directories of a volume before other containers
start, so each directory is opened once and hidden at its current path. A directory that is also mounted elsewhere is
hidden there too.

``root_view`` and ``container`` hide them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monopod.runner.records import own_directories


def private_directories(state_root: str) -> tuple[str, ...]:
    """Return their paths, without symbolic links; `state_root` holds the state of the caller's Pods.

    Missing directories are created if the caller may do that.
    """
    found = (state_root, own_directories.state(), own_directories.data(), own_directories.cache())
    paths = dict.fromkeys(os.path.realpath(path) for path in found if os.path.isabs(path))
    for path in paths:
        if not os.path.isdir(path):
            with contextlib.suppress(OSError):
                os.makedirs(path, mode=0o700)
    return tuple(paths)


def open_all(paths: Iterable[str]) -> tuple[int, ...]:
    """Open the directories that exist; return their descriptors."""
    opened = []
    for path in paths:
        with contextlib.suppress(OSError):
            opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    return tuple(opened)


def current_paths(descriptors: Iterable[int]) -> tuple[str, ...]:
    """Return all current paths of these directories; deleted directories have none.

    The caller must be in the mount namespace that they were opened in.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [_mounted(line) for line in file]
    paths: dict[str, None] = {}
    for descriptor in descriptors:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        for place in (path, *_other_paths(path, _mount_of(descriptor), mounts)):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), os.stat(place)):
                    paths[place] = None
    return tuple(paths)


class _Mounted(NamedTuple):
    """A line of mountinfo: the mounted directory, its file system and the mount point."""

    number: str
    device: str
    directory: str
    path: str


def _mounted(line: str) -> _Mounted:
    fields = [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field) for field in line.split(" ")[:5]]
    return _Mounted(fields[0], *fields[2:])


def _mount_of(descriptor: int) -> str:
    """Return the number of the mount that an open file is in."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.startswith("mnt_id:"))


def _other_paths(path: str, number: str, mounts: Iterable[_Mounted]) -> Iterator[str]:
    """Yield the other paths at which a directory of the mount `number` is visible."""
    for own in (mount for mount in mounts if mount.number == number):
        inside = _joined(own.directory, _below(path, own.path) or "")
        for mount in mounts:
            rest = _below(inside, mount.directory) if mount.device == own.device else None
            if rest is not None:
                yield _joined(mount.path, rest)


def _joined(directory: str, rest: str) -> str:
    return os.path.join(directory, rest) if rest else directory


def _below(path: str, directory: str) -> str | None:
    """Return the rest of a path relative to a directory, None if it is not inside."""
    if path == directory:
        return ""
    start = directory.rstrip("/") + "/"
    return path.removeprefix(start) if path.startswith(start) else None
