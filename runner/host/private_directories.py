"""What of the caller's files is monopod's own, and no container's business: other runs' state, records, claims, cache.

Rules: a container finds an empty directory at each of these paths, whether it is there now or is made later, and also
inside a volume that holds one. What a Pod mounts from there by name (a claim) it sees where it mounts it.

What is left to others: hiding them (``root_view``, ``container``).
"""

from __future__ import annotations

import os

from monopod.runner import own_directories


def private_directories(state_root: str) -> tuple[str, ...]:
    """Return their paths, without symbolic links; `state_root` holds the state of the caller's Pods."""
    found = (state_root, own_directories.state(), own_directories.data(), own_directories.cache())
    return tuple(dict.fromkeys(os.path.realpath(path) for path in found if os.path.isabs(path)))
