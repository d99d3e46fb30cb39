"""The coordinator's program, killed at a point of its journal: ``killed_coordinator.py POINT NUMBER ARGUMENT...``

NUMBER is that of an entry, or ``each``: then it is killed at the first entry of every start, but for the probes of a
Sidecar, which would begin anew for ever. POINT is where:

- ``cut``: the entry is half written
- ``noted``: the entry is written, and nothing has followed from it
- ``begun``: the first file that follows from it is written (or nothing does, and all is done)
- ``done``: all that follows from it is done, and not told
- ``told``: it is told as well
"""

import os
import signal
import sys
from typing import Any

from monopod.entrypoint import __main__ as program
from monopod.entrypoint.control_directory import ControlDirectory
from monopod.entrypoint.coordinator import Coordinator
from monopod.entrypoint.journal import Journal, ProbeSent

POINT, NUMBER = sys.argv[1:3]


class _Point:
    """How many entries there are, and whether the one of interest has just been written."""

    entries = 0
    reached = False


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _replay(journal: Journal, original: Any = Journal.replay) -> Any:
    entries = original(journal)
    _Point.entries = len(entries)
    return entries


def _append(journal: Journal, entry: Any, original: Any = Journal.append) -> None:
    _Point.entries += 1
    _Point.reached = str(_Point.entries) == NUMBER or (NUMBER == "each" and not isinstance(entry, ProbeSent))
    if _Point.reached and POINT == "cut":
        path = f"/proc/self/fd/{journal._descriptor}"
        size = os.stat(path).st_size
        original(journal, entry)
        os.truncate(path, (size + os.stat(path).st_size) // 2)
        _die()
    original(journal, entry)
    if _Point.reached and (POINT == "noted" or (isinstance(entry, ProbeSent) and POINT in ("done", "told"))):
        _die()  # nothing is told of a probe


def _write(directory: ControlDirectory, name: str, content: bytes, original: Any = ControlDirectory._write) -> None:
    original(directory, name, content)
    if _Point.reached and POINT == "begun":
        _die()


def _carry_out(coordinator: Coordinator, commands: Any, original: Any = Coordinator._carry_out) -> None:
    original(coordinator, commands)
    if _Point.reached and POINT in ("begun", "done"):
        _die()


def _tell(coordinator: Coordinator, commands: Any, *, again: bool, original: Any = Coordinator._tell) -> None:
    original(coordinator, commands, again=again)
    if _Point.reached and POINT == "told":
        _die()


if __name__ == "__main__":
    Journal.replay = _replay  # type: ignore[method-assign]
    Journal.append = _append  # type: ignore[method-assign]
    ControlDirectory._write = _write  # type: ignore[method-assign]
    Coordinator._carry_out = _carry_out  # type: ignore[method-assign]
    Coordinator._tell = _tell  # type: ignore[method-assign,assignment]
    del sys.argv[1:3]
    sys.exit(program.main())
