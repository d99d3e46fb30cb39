"""A recorded run in the order in which it was shown: its events and its output, from the bytes of their files.

Rules:

- The bytes may come in any pieces, since the files may still be growing.
- The output decides the order. An event comes at its place among the output (``output_lines``), once its own file has
  it. Only when no more bytes will come, events whose place is not known follow the rest.
- A damaged line, or an incomplete last one, is skipped.
- Lines that one Step wrote and that were read at the same time come as one text, as they were shown.

Pure. ``growing_record`` reads the files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from monopod.runner.follow.follower import OutputLines, Shown
from monopod.runner.records.output_lines import EventPlace, Line, Source, parse_line
from monopod.schemas.run_events import RunEvent, RunWarning, from_line

NOT_KEPT = "a part of the output was not recorded here: the run wrote too much"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was shown, and when it was read. ``attempt`` is None for what does not belong to an attempt of a Task."""

    at: float
    shown: Shown
    attempt: int | None = None


class Replay:
    """Takes the bytes of a record and returns what they show."""

    def __init__(self) -> None:
        self._events: deque[RunEvent] = deque()  # not shown yet
        self._shown_events = 0
        self._entries: deque[tuple[Source, Line] | EventPlace | None] = deque()  # None: a part was not kept
        self._partial_event = self._partial_line = b""
        self._last_at = 0.0

    def take_events(self, data: bytes) -> None:
        """Take the next bytes of the events."""
        *whole, self._partial_event = (self._partial_event + data).split(b"\n")
        for line in whole:
            try:
                self._events.append(from_line(line.decode("utf-8", "replace")))
            except ValueError:
                self._events.append(RunWarning(self._last_at, "an event of the record is damaged"))

    def take_output(self, data: bytes) -> None:
        """Take the next bytes of the output."""
        *whole, self._partial_line = (self._partial_line + data).split(b"\n")
        for line in whole:
            entry = parse_line(line.decode("utf-8", "replace"))
            if entry is not None:
                self._entries.append(entry)

    def take_gap(self) -> None:
        """Take that the output that came next was not kept."""
        self._partial_line = b""
        self._entries.append(None)

    def ready(self) -> Iterator[Replayed]:
        """Return what can be shown now."""
        while self._entries:
            entry = self._entries[0]
            if isinstance(entry, EventPlace):
                while self._shown_events < entry.number and self._events:
                    yield self._next_event()
                if self._shown_events < entry.number:
                    return
                self._entries.popleft()
            elif entry is None:
                self._entries.popleft()
                yield Replayed(self._last_at, RunWarning(self._last_at, NOT_KEPT))
            else:
                self._entries.popleft()
                yield self._next_lines(*entry)

    def rest(self) -> Iterator[Replayed]:
        """Return everything that is left: no more bytes will come."""
        while self._entries or self._events:
            yield from self.ready()
            if self._entries:  # its event is lost
                self._entries.popleft()
            else:
                while self._events:
                    yield self._next_event()

    def _next_event(self) -> Replayed:
        event = self._events.popleft()
        self._shown_events += 1
        self._last_at = event.at
        return Replayed(event.at, event, getattr(event, "attempt", None))

    def _next_lines(self, source: Source, line: Line) -> Replayed:
        """Return this line, with all others that follow and were read at the same time."""
        texts = [line.text]
        while self._entries and isinstance(following := self._entries[0], tuple):
            if following[0] != source or following[1].at != line.at:
                break
            texts.append(following[1].text)
            self._entries.popleft()
        self._last_at = line.at
        return Replayed(line.at, OutputLines(source.task, source.step, "\n".join(texts)), source.attempt)
