"""podman's monitor of a container (conmon), which writes what comes out of the container's pipes into its log.

It ends after the container, once all is written.
"""

from __future__ import annotations

NAME = "conmon"


class Monitor:
    """The monitor whose process is named in a file, once it runs."""

    def __init__(self, pid_file: str) -> None:
        self._pid_file = pid_file

    def has_ended(self) -> bool:
        """Return whether it has run, and runs no more."""
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
