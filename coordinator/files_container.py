"""The coordinator's side of the container ``files``, through which the runner copies files (``workspace_files``).

Rules:

- The container has a control directory like a Step's, and an entrypoint that waits in it. The runner executes its
  requests in it. While one runs, it holds the lock of ``files.lock``.
- ``files.complete`` appears when all files of the Workspaces are there. No Step starts before that.
- ``files.fetched`` appears when the runner has fetched what it wants. The container stays until then, since it keeps
  the Pod's volumes reachable.
- A runner that is gone does not keep the Pod: without a request, files are given up after `COPY_SECONDS`, and the Pod
  ends `HOLD_SECONDS` after the run.

Left to others: when to look, and cancelling the run (``shell``).
"""

from __future__ import annotations

import os
from typing import Final

from monopod.coordinator.control_directory import ControlDirectory
from monopod.system.locks import is_locked

FILES: Final = "files"
"""The name of the container."""
COPY_SECONDS = 600.0
HOLD_SECONDS = 60.0

COMPLETE: Final = "files.complete"
FETCHED: Final = "files.fetched"
LOCK: Final = "files.lock"


class FilesContainer:
    """The container ``files``, with its control directory at `path`.

    `awaits`: files are copied to the Workspaces before the first Step. `holds`: files are fetched after the run.
    """

    def __init__(self, path: str, *, awaits: bool, holds: bool) -> None:
        self.directory = ControlDirectory(path)
        self.is_released = False
        self._path = path
        self._awaits = awaits
        self._holds = holds
        self._idle_since: float | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all files are there that Steps wait for."""
        return not self._awaits or os.path.lexists(f"{self._path}/{COMPLETE}")

    def is_given_up(self, now: float) -> bool:
        """Return whether nobody has copied files for too long."""
        return self._is_idle_for(COPY_SECONDS, now)

    def restart_clock(self) -> None:
        """Take that the run has ended: from now on files can be fetched."""
        self._idle_since = None

    def release_if_unused(self, now: float, *, is_over: bool) -> None:
        """Let the container end if nobody will copy files any more; `is_over`: the run has ended."""
        if self.is_released or not (is_over or (not self._holds and self.is_complete)):
            return
        if self._is_in_use():  # it would be killed with the container
            self._idle_since = now
            return
        is_wanted = self._holds and self.is_complete and not os.path.lexists(f"{self._path}/{FETCHED}")
        is_held = is_wanted and self.directory.liveness() != "dead"
        if not is_held or self._is_idle_for(HOLD_SECONDS, now):
            self.is_released = True
            self.directory.write_exit(0, 0)

    def is_done(self, *, may_be_absent: bool) -> bool:
        """Return whether it was released and its entrypoint has ended; `may_be_absent`: or has not started yet."""
        liveness = self.directory.liveness() if self.is_released else "alive"
        return liveness == "dead" or (may_be_absent and liveness == "absent")

    def _is_idle_for(self, seconds: float, now: float) -> bool:
        if self._idle_since is None or self._is_in_use():
            self._idle_since = now
        return now - self._idle_since >= seconds

    def _is_in_use(self) -> bool:
        try:
            descriptor = os.open(f"{self._path}/{LOCK}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return is_locked(descriptor)
        finally:
            os.close(descriptor)
