"""Runs a program with the users and the mounts of a Pod's sandbox: ``enter_sandbox PID PROGRAM ARGUMENT...``.

The sandbox mounts volumes in memory for itself only, and files may belong to users of its user namespace.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from monopod.system import namespaces


def main(arguments: Sequence[str]) -> None:
    """Enter the namespaces of a process and execute the program."""
    process, *command = arguments
    flags = namespaces.NEW_MOUNTS
    if os.readlink(f"/proc/{process}/ns/user") != os.readlink("/proc/self/ns/user"):
        flags |= namespaces.NEW_USER
    descriptor = os.pidfd_open(int(process))
    namespaces.join_namespaces(descriptor, flags)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
