"""The log of a container that may run several requests, in a Pod that `monopod compile` made: titles name the Step.

The entrypoint writes ``==> TASK/STEP <==`` before the output of each Step (``coordinator.engine.output_titles``), and
an empty line before each title but the first. In a followed Pod, events say which lines these are
(``follow.output_order``). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_TITLE = re.compile(r"==> (.+)/([^/ ]+)(?: \(attempt \d+\))? <==")


class WrittenLine(NamedTuple):
    """A line, and the Task and Step that wrote it; empty before the first title."""

    task: str
    step: str
    text: str


def is_title(line: bytes) -> bool:
    """Return whether a line of a log looks like a title."""
    return line.startswith(b"==> ") and _TITLE.fullmatch(line.decode(errors="replace")) is not None


@dataclass
class TitledLog:
    """Reads the log of one container. An empty line may belong to a title, so it is kept until the next line."""

    _task: str = field(default="", init=False)
    _step: str = field(default="", init=False)
    _is_empty_line_kept: bool = field(default=False, init=False)

    def feed(self, lines: str) -> Iterator[WrittenLine]:
        """Yield what Steps wrote of further lines, which are joined by newlines."""
        for line in lines.split("\n"):
            title = _TITLE.fullmatch(line)
            if title is not None:
                self._task, self._step = title[1], title[2]
                self._is_empty_line_kept = False
                continue
            yield from self.end()
            if line:
                yield WrittenLine(self._task, self._step, line)
            else:
                self._is_empty_line_kept = True

    def end(self) -> Iterator[WrittenLine]:
        """Yield the empty line that is the last of the log, if there is one."""
        if self._is_empty_line_kept:
            self._is_empty_line_kept = False
            yield WrittenLine(self._task, self._step, "")
