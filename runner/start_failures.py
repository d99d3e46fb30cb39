"""A container that could not be started: the coordinator is told, which waits for it.

The coordinator knows nothing of the Pod but its control directories (docs/control-directory.md): one in which ``alive``
is there and not locked is that of a container that was killed. So that is what is put there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

_MOUNTED_AT = "/monopod/step"


def control_volumes(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return which volume of a Pod is the control directory of each container that runs Steps."""
    return dict(_control_mounts(pod))


def _control_mounts(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in pod["spec"]["containers"]:
        for mount in container.get("volumeMounts") or ():
            if mount["mountPath"] == _MOUNTED_AT:
                yield container["name"], mount["name"]


def mark_as_dead(control_directory: str) -> None:
    """Leave an `alive` that nobody has locked. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(f"{control_directory}/alive", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
