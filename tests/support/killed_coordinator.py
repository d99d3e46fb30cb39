"""The coordinator's program, killed at a point of its journal: ``killed_coordinator.py POINT NUMBER ARGUMENT...``

NUMBER is the number of an entry, or ``each``: then it is killed at the first entry of every start. POINT is one of:

- ``cut``: the entry is half written
- ``noted``: the entry is written, and none of its commands are carried out
- ``begun``: the first file of its commands is written (or there are no files, and all is done)
- ``done``: its commands are carried out, but not reported
- ``reported``: it is reported as well
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from monopod.coordinator import __main__ as program
from monopod.coordinator import control_directory
from monopod.coordinator.journal import Journal
from monopod.coordinator.shell import Coordinator

POINTS = ("cut", "noted", "begun", "done", "reported")


class _Point:
    """The number of entries, and the point at the last entry where the coordinator is killed (nowhere: "")."""

    entries = 0
    place = ""
    place_at: ClassVar[Callable[[int], str]]
    die: ClassVar[Callable[[int, str], None]]


def _die() -> None:
    _Point.die(_Point.entries, _Point.place)


def _replay(journal: Journal, original: Any = Journal.replay) -> Any:
    entries = original(journal)
    _Point.entries = len(entries)
    return entries


def _append(journal: Journal, entry: Any, original: Any = Journal.append) -> None:
    _Point.entries += 1
    place = _Point.place_at(_Point.entries)
    _Point.place = place
    if place == "cut":
        path = f"/proc/self/fd/{journal._descriptor}"
        size = os.stat(path).st_size
        original(journal, entry)
        os.truncate(path, (size + os.stat(path).st_size) // 2)
        _die()
        os.truncate(path, size)  # it was not killed: the entry existed before
    original(journal, entry)
    if place == "noted":
        _die()


def _write(directory: int, name: str, content: bytes, mode: int, original: Any = control_directory._written) -> int:
    descriptor: int = original(directory, name, content, mode)
    if _Point.place == "begun":
        _die()
    return descriptor


def _execute(coordinator: Coordinator, commands: Any, original: Any = Coordinator._execute) -> None:
    original(coordinator, commands)
    if _Point.place in ("begun", "done"):
        _die()


def _report(coordinator: Coordinator, commands: Any, *, replayed: bool, original: Any = Coordinator._report) -> None:
    original(coordinator, commands, replayed=replayed)
    if _Point.place == "reported":
        _die()


def main(place_at: Callable[[int], str], die: Callable[[int, str], None]) -> int:
    """Run the coordinator, and kill it at the point that `place_at` returns for the number of an entry."""
    _Point.place_at, _Point.die = staticmethod(place_at), staticmethod(die)
    Journal.replay = _replay  # type: ignore[method-assign]
    Journal.append = _append  # type: ignore[method-assign]
    control_directory._written = _write  # every file is written here, requests too
    Coordinator._execute = _execute  # type: ignore[method-assign]
    Coordinator._report = _report  # type: ignore[method-assign,assignment]
    return program.main()


if __name__ == "__main__":
    point, wanted = sys.argv[1:3]
    del sys.argv[1:3]

    def _place_at(number: int) -> str:
        return point if wanted in (str(number), "each") else ""

    sys.exit(main(_place_at, lambda *_: os.kill(os.getpid(), signal.SIGKILL)))
