"""Exit codes as shells, containerd and Kubernetes use them.

Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

NOT_STARTED = 128
"""The container's program could not be executed (StartError)."""


def of_signal(number: int) -> int:
    """Return the exit code of a program that a signal ended."""
    return 128 + number


def signal_of(code: int) -> int | None:
    """Return the signal that ended a program with this exit code; None if it ended by itself."""
    return code - 128 if code > 128 else None


KILLED = of_signal(9)
"""The exit code of a program that SIGKILL ended."""

RESTART = 77
"""The exit code of an entrypoint that wants its container restarted."""

RESTARTED = (RESTART, KILLED)
"""The exit codes after which kubelet restarts a container that has restart rules."""
