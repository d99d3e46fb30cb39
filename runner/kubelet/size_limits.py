"""emptyDirs that may not grow beyond their sizeLimit: how large they are is measured again and again.

Rules (Kubernetes docs, "Volumes", emptyDir; "Node-pressure Eviction", local ephemeral storage):

- What counts is the room that the files take, as ``du`` says: no holes, and a hard link once. A limit of 0 is none.
- kubelet looks about every ten seconds, and evicts the whole Pod. Here it is each second, but no more than a
  tenth of the time is spent on looking.
- Who looks must be able to read what containers left: as root of the Pod's user namespace, if it has one.

Run as ``python3 -m monopod.runner.kubelet.size_limits [NAME PATH BYTES TEXT]...`` it prints what became too large, and
ends; or it ends when its standard input does.

What is left to others: ending the Pod (``sandbox``, ``podman.pod``).
"""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Sequence

from monopod.runner.kubelet.specification import SizeLimit
from monopod.system import inherited_signals

_PAUSE = 1.0
_PAUSE_FOR_EACH_SECOND = 9.0


def evicted_for(limit: SizeLimit) -> str:
    """Return what the status of a Pod says whose emptyDir became too large, in kubelet's words."""
    return f'the Pod was evicted: Usage of EmptyDir volume "{limit.volume}" exceeds the limit "{limit.text}".'


def watch(limits: Sequence[SizeLimit], hung_up: int | None = None) -> SizeLimit | None:
    """Look until an emptyDir is too large, and return its limit; None once the descriptor `hung_up` is readable.

    Raises OSError if nothing can be measured.
    """
    while True:
        started = time.monotonic()
        for limit in limits:
            if _room_taken(limit.path) > limit.size:
                return limit
        pause = max(_PAUSE, _PAUSE_FOR_EACH_SECOND * (time.monotonic() - started))
        if select.select([] if hung_up is None else [hung_up], [], [], pause)[0]:
            return None


def _room_taken(path: str) -> int:
    """Return how many bytes of the disk the files in a directory take. What is gone while `du` looks does not count."""
    command = ["du", "-s", "-k", "-x", path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    number = done.stdout.partition("\t")[0]
    return int(number) * 1024 if number.isdecimal() else 0


def main() -> int:
    """Watch what the command line says; return the exit code."""
    inherited_signals.reset()
    fields = sys.argv[1:]
    limits = [
        SizeLimit(name, path, int(size), text)
        for name, path, size, text in zip(fields[::4], fields[1::4], fields[2::4], fields[3::4], strict=True)
    ]
    exceeded = watch(limits, sys.stdin.fileno())
    if exceeded is not None:
        print(evicted_for(exceeded))
    return 0


if __name__ == "__main__":
    sys.exit(main())
