"""What of the caller's files is monopod's own, and no container's business: other runs' state, records, claims, cache.

Rules: a container finds an empty directory at each of these paths, and also inside a volume that holds one. What a Pod
mounts from there by name (a claim) it sees where it mounts it. A directory that is not there yet is made, since another
run could make it while the containers of this one run, and only what is there can be hidden. A Step can move what is in
a volume while other containers are still to start, so each directory is opened once, and found where it is by then.

What is left to others: hiding them (``root_view``, ``container``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from monopod.runner import own_directories


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
    """Return where these directories are now, without those that are gone.

    The caller must be in the mount namespace that they were opened in.
    """
    paths = []
    for each in descriptors:
        path = os.readlink(f"/proc/self/fd/{each}")
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(each), os.stat(path)):
                paths.append(path)
    return tuple(paths)
