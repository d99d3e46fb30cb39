"""Measures emptyDirs periodically, to enforce their sizeLimits.

Rules (Kubernetes docs, "Volumes", emptyDir; "Node-pressure Eviction", local ephemeral storage):

- The size is the disk usage of the files, as ``du`` reports it: holes do not count, and a hard link counts once. A
  limit of 0 means no limit.
- kubelet measures about every ten seconds, and evicts the whole Pod. monopod measures every second, but spends at most
  a tenth of the time on it.
- The process must be able to read the containers' files: it runs as root of the Pod's user namespace, if it has one.

Run as ``python3 -m monopod.runner.kubelet.size_limits [NAME PATH BYTES TEXT]...`` it prints the message for the first
emptyDir that is too large and exits. It also exits when its standard input ends.

``sandbox`` and ``podman.pod`` end the Pod.
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
    """Return kubelet's message in the status of a Pod whose emptyDir became too large."""
    return f'the Pod was evicted: Usage of EmptyDir volume "{limit.volume}" exceeds the limit "{limit.text}".'


def watch(limits: Sequence[SizeLimit], hung_up: int | None = None) -> SizeLimit | None:
    """Wait until an emptyDir is too large, and return its limit; None once the descriptor `hung_up` is readable.

    Raises OSError if the sizes cannot be measured.
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
    """Return the disk usage of a directory in bytes. Files that are deleted while `du` runs do not count."""
    command = ["du", "-s", "-k", "-x", path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    number = done.stdout.partition("\t")[0]
    return int(number) * 1024 if number.isdecimal() else 0


def main() -> int:
    """Watch the emptyDirs on the command line; return the exit code."""
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
