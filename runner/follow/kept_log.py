"""Taking the marks at the end of each request's output out of the logs of a Pod that is kept, for those who read them.

Only genuine marks, which the coordinator reported, are removed. The output of a Step stays, even if it looks like one.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator

from monopod.runner.follow.output_marks import BEGINNING, LENGTH, find, mark
from monopod.schemas.run_events import ContainerRestarted, OutputEnded, StepFinished, from_line

_PIECE = 1 << 20
_INTERESTING = b'{"event":"StepFinished"', b'{"event":"OutputEnded"', b'{"event":"ContainerRestarted"'


def true_marks(coordinator_lines: Iterable[bytes]) -> frozenset[bytes]:
    """Return the marks that a coordinator's lines report."""
    tokens = set()
    for line in coordinator_lines:
        if line.startswith(_INTERESTING):
            with contextlib.suppress(ValueError):
                event = from_line(line.decode(errors="replace"))
                if isinstance(event, StepFinished | OutputEnded | ContainerRestarted) and event.mark:
                    tokens.add(event.mark)
    return frozenset(map(mark, tokens))


def take_marks_out(path: str, marks: frozenset[bytes]) -> None:
    """Take these marks out of a log: a single one at its end is cut off, others need a copy. Raises OSError."""
    size = os.stat(path).st_size
    start = _first_possible_mark(path) if size else -1
    if start < 0:
        return
    with open(path, "rb") as log:
        log.seek(start)
        if size - start == LENGTH and log.read(LENGTH) in marks:
            os.truncate(path, start)
            return
        log.seek(0)
        rewrite(path, without(iter(lambda: log.read(_PIECE), b""), marks))


def _first_possible_mark(path: str) -> int:
    """Return where the first mark of a log may be, -1 if there is none. The log is not empty. Raises OSError."""
    with open(path, "rb") as log, mmap.mmap(log.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(BEGINNING)


def rewrite(path: str, pieces: Iterable[bytes]) -> None:
    """Replace a log. Raises OSError."""
    with open(f"{path}.without-marks", "wb") as rewritten:
        rewritten.writelines(pieces)
    shutil.copystat(path, rewritten.name)
    os.rename(rewritten.name, path)


def without(pieces: Iterable[bytes], marks: frozenset[bytes]) -> Iterator[bytes]:
    """Yield the pieces without these marks, wherever they are divided."""
    rest = b""
    for piece in pieces:
        rest += piece
        while rest:
            start, is_whole = find(rest)
            yield rest[:start]
            rest = rest[start:]
            if not is_whole:
                break
            if rest[:LENGTH] not in marks:
                yield rest[:1]
                rest = rest[1:]
            else:
                rest = rest[LENGTH:]
    yield rest
