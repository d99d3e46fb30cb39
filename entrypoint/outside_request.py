"""What somebody outside of the Pod asks for, by a command in the coordinator's container (``kubectl exec``).

``python3 -P -S -m monopod.entrypoint.outside_request signal NUMBER`` sends a signal to the coordinator, which is the
first process of its container; ``… dead CONTAINER`` lets the coordinator take a container that cannot start for one
that was killed (docs/control-directory.md): its `alive` is there, and nobody holds it.

Exit codes: 0 done, 1 it cannot be done, 2 wrong usage. Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = "usage: python3 -m monopod.entrypoint.outside_request [--root DIR] signal NUMBER | dead CONTAINER"
_COORDINATOR = 1


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for and return the exit code."""
    root = "/monopod"
    if len(arguments) == 4 and arguments[0] == "--root":
        root, arguments = arguments[1], arguments[2:]
    try:
        match arguments:
            case ["signal", number] if number.isascii() and number.isdecimal():
                os.kill(_COORDINATOR, int(number))
            case ["dead", container] if container and "/" not in container and not container.startswith("."):
                _make(f"{root}/steps/{container}/alive")
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except OSError as error:
        print(f"{' '.join(arguments)}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _make(path: str) -> None:
    """Make an empty file, unless it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
