"""podman's monitor of a container (conmon), which copies the container's output from its pipes into its log.

It exits after the container, once all output is written.
"""

from __future__ import annotations

NAME = "conmon"


class Monitor:
    """The monitor whose process ID is in a file as soon as it runs."""

    def __init__(self, pid_file: str) -> None:
        self._pid_file = pid_file

    def has_ended(self) -> bool:
        """Return whether the monitor has run and has exited."""
        try:
            with open(self._pid_file, encoding="ascii") as file:
                number = int(file.read())
        except (OSError, ValueError):
            return False
        try:
            with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
                name, _, rest = file.read().rpartition(")")
        except OSError:
            return True
        return name.partition("(")[2] != NAME or rest.split()[0] in "ZX"
