"""What of the caller's files is monopod's own, and no container's business: other runs' state, records, claims, cache.

Rules: a container finds an empty directory at each of these paths, and also inside a volume that holds one. What a Pod
mounts from there by name (a claim) it sees where it mounts it. A directory that is not there yet is made, since another
run could make it while the containers of this one run, and only what is there can be hidden. A Step can move what is in
a volume while other containers are still to start, so each directory is opened once, and found where it is by then.
What is mounted at a second place is hidden there too.

What is left to others: hiding them (``root_view``, ``container``).
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

    Those that are missing are made, unless the caller may not.
    """
    found = (state_root, own_directories.state(), own_directories.data(), own_directories.cache())
    paths = dict.fromkeys(os.path.realpath(path) for path in found if os.path.isabs(path))
    for path in paths:
        if not os.path.isdir(path):
            with contextlib.suppress(OSError):
                os.makedirs(path, mode=0o700)
    return tuple(paths)


def open_all(paths: Iterable[str]) -> tuple[int, ...]:
    """Open those of the directories that are there; return their descriptors."""
    opened = []
    for path in paths:
        with contextlib.suppress(OSError):
            opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    return tuple(opened)


def current_paths(descriptors: Iterable[int]) -> tuple[str, ...]:
    """Return where these directories are now, each at all of its paths, without those that are gone.

    The caller must be in the mount namespace that they were opened in.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [_mounted(line) for line in file]
    paths: dict[str, None] = {}
    for each in descriptors:
        path = os.readlink(f"/proc/self/fd/{each}")
        for place in (path, *_other_paths(path, _mount_of(each), mounts)):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(each), os.stat(place)):
                    paths[place] = None
    return tuple(paths)


class _Mounted(NamedTuple):
    """A line of mountinfo: which directory of which file system is mounted where."""

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
    """Yield where else a directory may be seen, which is in the mount of that number."""
    for own in (mount for mount in mounts if mount.number == number):
        inside = _joined(own.directory, _below(path, own.path) or "")
        for mount in mounts:
            rest = _below(inside, mount.directory) if mount.device == own.device else None
            if rest is not None:
                yield _joined(mount.path, rest)


def _joined(directory: str, rest: str) -> str:
    return os.path.join(directory, rest) if rest else directory


def _below(path: str, directory: str) -> str | None:
    """Return how a path continues behind a directory, None if it is not in there."""
    if path == directory:
        return ""
    start = directory.rstrip("/") + "/"
    return path.removeprefix(start) if path.startswith(start) else None
