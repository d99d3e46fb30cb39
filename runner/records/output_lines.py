"""The lines of a record's output files: text that a Step wrote, or the place of an event among it.

A line is ``TIME<tab>TASK<tab>STEP<tab>ATTEMPT<tab>TEXT``. The place of an event has no Task, Step and attempt, and
counts the events up to it: ``TIME<tab><tab><tab><tab>7``. With it, a run is shown again in the order in which it was
shown first, whatever the clocks of its Steps and its coordinator were.

Pure. ``recorder`` writes the files; ``recorded_run`` and ``replay`` read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_TIME = re.compile(r"\d{1,11}(\.\d{1,9})?")
"""Seconds since the epoch, as the recorder writes them."""
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output, and when it was read."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a line: a Step or Sidecar (``step``) in an attempt of a Task instance."""

    task: str
    step: str
    attempt: int


@dataclass(frozen=True, slots=True)
class EventPlace:
    """The place of an event among the output. ``number`` counts the events up to it, from 1."""

    number: int


Entry: TypeAlias = tuple[Source, Line] | EventPlace


def prefix_of_lines(at: float, source: Source) -> str:
    """Return what comes before each line of a text that was read at this time."""
    return f"{at:.3f}\t{source.task}\t{source.step}\t{source.attempt}\t"


def text_of_place(at: float, place: EventPlace) -> str:
    """Return the line, with its newline, for the place of an event."""
    return f"{at:.3f}\t\t\t\t{place.number}\n"


def parse_line(line: str) -> Entry | None:
    """Return what a line, without its newline, says; None if it is damaged."""
    fields = line.split("\t", 4)
    if len(fields) != 5 or not _TIME.fullmatch(fields[0]):
        return None
    at, task, step, attempt, text = fields
    if attempt.isdecimal():
        return Source(task, step, int(attempt)), Line(float(at), text)
    if not (task or step or attempt) and _NUMBER.fullmatch(text):
        return EventPlace(int(text))
    return None
