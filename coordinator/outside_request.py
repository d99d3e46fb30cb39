"""Requests from outside the Pod, by a command in the coordinator's container (``kubectl exec``).

``python3 -P -S -m monopod.coordinator.outside_request signal NUMBER`` sends a signal to the coordinator, which is the
first process of its container; ``… dead CONTAINER REASON MESSAGE`` reports that a container cannot start, and why
(``never_started``).

Exit codes: 0 success, 1 failure, 2 wrong usage. Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from monopod.system.never_started import mark_never_started

USAGE = (
    "usage: python3 -m monopod.coordinator.outside_request [--root DIR] signal NUMBER | dead CONTAINER REASON MESSAGE"
)
_COORDINATOR = 1


def main(arguments: Sequence[str]) -> int:
    """Execute the request in the arguments and return the exit code."""
    root = "/monopod"
    if len(arguments) > 1 and arguments[0] == "--root":
        root, arguments = arguments[1], arguments[2:]
    try:
        match arguments:
            case ["signal", number] if number.isascii() and number.isdecimal():
                os.kill(_COORDINATOR, int(number))
            case ["dead", container, reason, message] if _is_name(container):
                mark_never_started(f"{root}/steps/{container}", reason, message)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except OSError as error:
        print(f"{' '.join(arguments[:2])}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and not text.startswith(".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
