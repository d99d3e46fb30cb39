"""When the lines of a Step were written, according to kubelet.

The order of the output (``follow.output_order``) works on bytes, in which marks and titles come between the lines. The
lines of a container come out in the order in which they came in, so each is found again by how it begins.

Pure, except for the time of a line of which nothing is known: it is now.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from monopod.runner.follow.output_marks import BEGINNING
from monopod.runner.follow.pod_events import ContainerOutput
from monopod.runner.kubernetes.titled_log import is_title

_BEGINNING = 200
"""Bytes of a line that are compared."""
_MOST_SKIPPED = 8
"""How many lines that did not come out are skipped to find one. Marks and titles do not count."""


class LineTimes:
    """The times of lines by container, from when they come in until they come out."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[tuple[bytes, float]]] = {}

    def note(self, output: ContainerOutput) -> None:
        """Take lines that came in."""
        lines = output.data.split(b"\n")
        known = self._lines.setdefault(output.container, deque())
        for line, at in zip(lines, output.times, strict=False):
            if is_title(line):
                if known and not known[-1][0]:
                    known.pop()  # the empty line before it
            elif not line.startswith(BEGINNING):
                known.append((line[:_BEGINNING], at))

    def dated(self, container: str, text: str) -> Iterator[tuple[float, str]]:
        """Yield the lines of a text that came out, joined by newlines if their times are equal, with their times."""
        lines: list[str] = []
        at = 0.0
        for line in text.split("\n"):
            written = self._time_of(container, line)
            if lines and written != at:
                yield at, "\n".join(lines)
                lines = []
            at = written
            lines.append(line)
        yield at, "\n".join(lines)

    def _time_of(self, container: str, line: str) -> float:
        known = self._lines.get(container)
        if not known:
            return time.time()
        beginning = line.encode(errors="replace")[:_BEGINNING]
        for number in range(min(len(known), _MOST_SKIPPED)):
            if known[number][0].decode(errors="replace").encode()[: len(beginning)] == beginning:
                for _ in range(number):
                    known.popleft()
                return known.popleft()[1]
        return known[0][1]
