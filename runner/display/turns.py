"""Whose output is written when, so that the lines of Tasks that run at the same time are not mixed.

Rules:

- One Task at a time has its turn: its lines are written as they come. The lines of the others are kept.
- When a Task ends, all that was kept of it is written in one piece, at once. When it was its turn, that goes on to the
  Task that has waited longest.
- No line is lost, changed or written twice; the lines of one Task stay in their order.
- Memory stays bounded: what is kept of a Task and is more than `IN_MEMORY` goes to a temporary file.

What is left to others: what a piece looks like (the writer).
"""

from __future__ import annotations

import tempfile
from typing import Protocol

IN_MEMORY = 128 * 1024
"""Bytes kept of each Task before they go to a file."""

AT_ONCE = 64 * 1024
"""Characters that are written at once of what was kept: nothing else is done meanwhile, so it has to be quick."""


class PieceWriter(Protocol):
    """Writes pieces of output: each is of one Task, and they do not overlap."""

    def begin_piece(self, task: str, *, is_continued: bool) -> None:
        """Begin a piece. ``is_continued``: there was one of this Task before."""

    def write_line(self, line: str) -> None:
        """Write a line, in a piece or between pieces; or several in one, with newlines between them."""

    def end_piece(self) -> None:
        """End the piece that was begun last."""


class Turns:
    """Gives each Task its turn. `close` must be called in the end."""

    def __init__(self, writer: PieceWriter) -> None:
        self._writer = writer
        self._turn: str | None = None
        self._is_open = False  # a piece of the Task whose turn it is
        self._begun: set[str] = set()
        self._kept: dict[str, tempfile.SpooledTemporaryFile[str]] = {}
        self._ended: set[str] = set()

    @property
    def turn(self) -> str | None:
        """The Task whose lines are written as they come."""
        return self._turn

    def add(self, task: str, line: str) -> None:
        """Take a line of a Task."""
        if task in self._ended:
            self.write_between(line)
            return
        if self._turn is None:
            self._turn = task
        if task == self._turn:
            self._open(task)
            self._writer.write_line(line)
            return
        kept = self._kept.get(task)
        if kept is None:
            kept = self._kept[task] = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # closed when it is written
                IN_MEMORY, "w+", encoding="utf-8", errors="replace", newline="\n"
            )
        kept.write(line + "\n")

    def write_between(self, line: str) -> None:
        """Write a line that is part of no piece, at once."""
        self._interrupt()
        self._writer.write_line(line)

    def end(self, task: str, closing: str | None = None) -> None:
        """Take that a Task has ended: all its lines are written now, and `closing` after them, outside of its piece."""
        self._interrupt()
        if task in self._kept:
            self._write_kept(task)
            self._interrupt()
        self._ended.add(task)
        if closing is not None:
            self._writer.write_line(closing)
        if task == self._turn:
            self._turn = next(iter(self._kept), None)
            if self._turn is not None:
                self._write_kept(self._turn)

    def close(self) -> None:
        """Write all that was kept: no more lines will come."""
        self._interrupt()
        for task in list(self._kept):
            self._write_kept(task)
            self._interrupt()

    def _open(self, task: str) -> None:
        if not self._is_open:
            self._writer.begin_piece(task, is_continued=task in self._begun)
            self._begun.add(task)
            self._is_open = True

    def _interrupt(self) -> None:
        """End the piece that is open, if one is."""
        if self._is_open:
            self._writer.end_piece()
            self._is_open = False

    def _write_kept(self, task: str) -> None:
        self._open(task)
        with self._kept.pop(task) as kept:
            kept.seek(0)
            while lines := kept.read(AT_ONCE):
                self._writer.write_line((lines + kept.readline()).removesuffix("\n"))
