"""podman's monitor of a container (conmon), which writes what comes out of the container's pipes into its log.

The end of a Step may be known before the monitor has come to what the Step wrote last, on a busy machine. Whether it
has is seen from outside: nothing is left in its pipes, and it sleeps, so it is not in the midst of writing either
(pipe(7), proc(5)). Of a monitor that may not be looked at, and of one that has ended, nothing is to be expected.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from monopod.runner.waiting_bytes import waiting_bytes

NAME = "conmon"
PATIENCE = 10.0
"""Seconds after which a monitor is not waited for any more: it does not get on."""
_SECONDS_BETWEEN_LOOKS = 0.001
_GONE = "ZX"


class Monitor:
    """The monitor whose process is named in a file, once it runs."""

    def __init__(self, pid_file: str) -> None:
        self._pid_file = pid_file

    def settle(self) -> bool:
        """Wait until all that the container has written is in its log; return whether it is, as far as can be seen."""
        deadline = time.monotonic() + PATIENCE
        while not self.is_idle():
            if time.monotonic() > deadline:
                return False
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return True

    def is_idle(self) -> bool:
        """Return whether it has nothing to do."""
        try:
            with open(self._pid_file, encoding="ascii") as file:
                process = f"/proc/{int(file.read())}"
            return not any(map(_waiting_bytes, _pipes(process))) and _sleeps(process)
        except (OSError, ValueError):
            return True


def _pipes(process: str) -> Iterator[str]:
    """Yield the paths of a process's pipes from which it can read."""
    for number in os.listdir(f"{process}/fd"):
        path = f"{process}/fd/{number}"
        if os.readlink(path).startswith("pipe:") and os.lstat(path).st_mode & 0o400:
            yield path


def _waiting_bytes(pipe: str) -> int:
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return waiting_bytes(descriptor)
    finally:
        os.close(descriptor)


def _sleeps(process: str) -> bool:
    """Return whether it sleeps, has ended, or is no monitor at all."""
    with open(f"{process}/stat", encoding="utf-8", errors="replace") as file:
        name, _, rest = file.read().rpartition(")")
    return rest.split()[0] in ("S", *_GONE) or name.partition("(")[2] != NAME
