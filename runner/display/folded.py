"""A run in the log of a CI system that folds: the lines of the plain display, with one fold per Task.

Rules:

- A fold contains lines of one Task only. One Task streams; the output of other Tasks follows when they end
  (``grouped_output``). A fold that another line interrupts is reopened as ``(continued)``.
- The end of a Task is printed after its fold, so that it is visible with all folds closed. The same applies to lines
  that belong to no Task.
"""

from __future__ import annotations

import time
from typing import TextIO

from monopod.runner.display.ci_log import escaped, unguarded
from monopod.runner.display.folding import Folding, identifier
from monopod.runner.display.grouped_output import GroupedOutput
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.display.printable import printable
from monopod.runner.display.summary import Summary
from monopod.runner.follow.follower import Follower, OutputLines, Shown
from monopod.schemas.run_events import SidecarFinished, StepFinished, TaskFinished, TaskStarted
from monopod.schemas.run_log import describe_params


class FoldedDisplay(PlainDisplay):
    """Writes to a stream, with the marks of one CI system."""

    def __init__(self, stream: TextIO, follower: Follower, options: LineOptions, folding: Folding) -> None:
        super().__init__(stream, follower, options)
        self._folding = folding
        self._groups = GroupedOutput(self)
        self._titles: dict[str, str] = {}
        self._fold: tuple[str, str] | None = None  # title and identifier of the open fold
        self._folds = 0
        self._needs_heading = False

    def show(self, shown: Shown) -> None:
        """Write or buffer a line or an event."""
        text = self.text(shown)
        lines = None if text is None else text.encode(errors="replace")
        match shown:
            case OutputLines(task, step) if step:
                if lines is not None:
                    self._groups.add(task, lines)
            case TaskStarted():
                name = self._follower.label(shown.task, shown.index)
                self._titles[name] = name + describe_params(name, shown.params)
                if lines is not None:
                    self._groups.add(name, lines)
            case StepFinished() | SidecarFinished():
                if lines is not None:
                    self._groups.add(self._follower.label(shown.task, shown.index), lines)
            case TaskFinished() if not shown.will_retry:
                self._groups.end(self._follower.label(shown.task, shown.index), lines)
            case _:
                if lines is not None:
                    self._groups.write_between(lines)

    def notice(self, text: str) -> None:
        """Write a message from the runner itself."""
        self._groups.write_between(self.stamped(text).encode(errors="replace"))

    def close(self, summary: Summary | None) -> None:
        """Write all buffered lines, then the summary."""
        self._groups.close()
        super().close(summary)

    # Groups of lines

    def begin_group(self, task: str, *, is_continued: bool) -> None:
        """Open a fold."""
        title = self._titles.get(task, task) + (" (continued)" if is_continued else "")
        title = escaped(self._stream, printable(title, colours=False))
        self._folds += 1
        self._fold = title, identifier(task, self._folds)
        self._write_mark(self._folding.begin(*self._fold, int(time.time())))

    def write_lines(self, lines: bytes) -> None:
        """Write lines of a group, or between groups."""
        self.write_line(lines.decode())

    def write_line(self, line: str) -> None:
        """Write a line, under a heading of its own if it would otherwise appear to be in a fold."""
        if self._needs_heading and self._fold is None:
            self._write_mark(self._folding.after)
            self._needs_heading = False
        super().write_line(line)

    def end_group(self) -> None:
        """Close the fold."""
        assert self._fold is not None
        self._write_mark(self._folding.end(*self._fold, int(time.time())))
        self._fold = None
        self._needs_heading = bool(self._folding.after)

    def _write_mark(self, mark: str) -> None:
        if mark:
            self.refresh(0)  # writes the lines before the mark
            unguarded(self._stream).write(mark + "\n")
