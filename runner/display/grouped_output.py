"""Output grouped by Task, so that lines of Tasks that run in parallel are not interleaved.

Rules:

- The lines of one Task, the current one, are written immediately. The lines of the other Tasks are buffered.
- When a Task ends, its buffered lines are written as one group. If it was the current Task, the Task that has waited
  longest becomes the current one.
- No line is lost, changed or written twice. The lines of a Task keep their order.
- Lines are in UTF-8, so that a large buffer is copied as it is.
- Memory is bounded: a Task's buffer moves to a temporary file once it exceeds `IN_MEMORY`.

What a group looks like is up to the `GroupWriter`.
"""

from __future__ import annotations

import tempfile
from typing import Protocol

IN_MEMORY = 128 * 1024
"""Bytes buffered per Task before they move to a temporary file."""

CHUNK = 64 * 1024
"""Bytes of a buffer that are written at a time, with the rest of the last line."""


class GroupWriter(Protocol):
    """Writes groups of lines. A group belongs to one Task, and groups do not overlap."""

    def begin_group(self, task: str, *, is_continued: bool) -> None:
        """Begin a group. ``is_continued``: an earlier group of this Task was already written."""

    def write_lines(self, lines: bytes) -> None:
        """Write lines, joined by newlines, inside a group or between groups."""

    def end_group(self) -> None:
        """End the current group."""


class GroupedOutput:
    """Decides when the lines of each Task are written. Call `close` at the end."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self._current: str | None = None
        self._is_open = False  # whether a group of the current Task is open
        self._begun: set[str] = set()
        self._buffers: dict[str, tempfile.SpooledTemporaryFile[bytes]] = {}
        self._ended: set[str] = set()

    @property
    def current(self) -> str | None:
        """The Task whose lines are written immediately."""
        return self._current

    def add(self, task: str, lines: bytes) -> None:
        """Write or buffer lines of a Task, joined by newlines."""
        if task in self._ended:
            self.write_between(lines)
            return
        if self._current is None:
            self._current = task
        if task == self._current:
            self._open(task)
            self._writer.write_lines(lines)
            return
        buffer = self._buffers.get(task)
        if buffer is None:
            buffer = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed when it is written
            self._buffers[task] = buffer
        buffer.write(lines + b"\n")

    def write_between(self, lines: bytes) -> None:
        """Write lines that belong to no group, immediately."""
        self._close_group()
        self._writer.write_lines(lines)

    def end(self, task: str, closing: bytes | None = None) -> None:
        """Write all lines of a Task that has ended, then `closing`, outside the Task's group."""
        self._close_group()
        if task in self._buffers:
            self._write_buffer(task)
            self._close_group()
        self._ended.add(task)
        if closing is not None:
            self._writer.write_lines(closing)
        if task == self._current:
            self._current = next(iter(self._buffers), None)
            if self._current is not None:
                self._write_buffer(self._current)

    def close(self) -> None:
        """Write all buffered lines."""
        self._close_group()
        for task in list(self._buffers):
            self._write_buffer(task)
            self._close_group()

    def _open(self, task: str) -> None:
        if not self._is_open:
            self._writer.begin_group(task, is_continued=task in self._begun)
            self._begun.add(task)
            self._is_open = True

    def _close_group(self) -> None:
        """End the open group, if there is one."""
        if self._is_open:
            self._writer.end_group()
            self._is_open = False

    def _write_buffer(self, task: str) -> None:
        self._open(task)
        with self._buffers.pop(task) as buffer:
            buffer.seek(0)
            while lines := buffer.read(CHUNK):
                self._writer.write_lines((lines + buffer.readline()).removesuffix(b"\n"))
