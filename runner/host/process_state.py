"""The state of a child: whether it is stopped, and whether it has executed a program since it was forked.

A pipe that closes on exec does not show the exec: it also closes if the process is killed before. The kernel records
for each process whether it has executed a program (``PF_FORKNOEXEC``, man proc_pid_stat, flags), before it closes any
file for that, and keeps the flag until the process is waited for.
"""

from __future__ import annotations

import os

_FORKED_ONLY = 0x40  # PF_FORKNOEXEC, linux/sched.h
_FLAGS = 6  # in /proc/PID/stat, counted from the field after the name


def is_stopped(process: int) -> bool:
    """Return whether a child that was not waited for yet is stopped, as by SIGSTOP. False if that is unknown."""
    fields = _status_fields(process)
    return fields is not None and fields[0] == "T"


def has_executed(process: int) -> bool:
    """Return whether a child that was not waited for yet has executed a program. True if that is unknown."""
    fields = _status_fields(process)
    return fields is None or not int(fields[_FLAGS]) & _FORKED_ONLY


def _status_fields(process: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on; None if they cannot be read."""
    pidfd = os.pidfd_open(process)
    try:
        with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:  # its number where /proc was mounted
            number = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (OSError, StopIteration):
        return None
    finally:
        os.close(pidfd)
