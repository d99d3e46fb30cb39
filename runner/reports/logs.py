"""The output of a run for its page: by Step, bounded, as markup that a browser lays out only where it is looked at.

Rules:

- No more than `MOST_BYTES` of text and `MOST_LINES` lines are on a page. If a run wrote more, Steps that wrote little
  keep all of it and the others get equal shares: of each a part from the beginning, and more of the end.
- Lines are numbered as they were written, also behind a gap.

What is left to others: the colours (``coloured_text``), how it looks and is searched (``page.css``, ``page.js``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monopod.runner.records.recorded_run import Line, RecordedRun, Source
from monopod.runner.reports.coloured_text import coloured_text
from monopod.runner.reports.html import Html

MOST_BYTES = 12 * 1024 * 1024
MOST_LINES = 150_000
CHUNK_LINES = 400
"""Lines that a browser lays out together, when they come into view."""
_LINE_COST = 32
"""What a line takes beside its text."""
_SHARE_OF_BEGINNING = 0.2


@dataclass(frozen=True, slots=True)
class Log:
    """What one Step wrote: ``beginning`` and ``end``, between which ``left_out`` lines are not on the page.

    ``is_cut``: more had been written, of which the record does not tell.
    """

    source: Source
    beginning: tuple[Line, ...]
    left_out: int
    end: tuple[Line, ...]
    is_cut: bool

    @property
    def count(self) -> int:
        """How many lines there were."""
        return len(self.beginning) + self.left_out + len(self.end)


def logs_of(run: RecordedRun, most_bytes: int = MOST_BYTES, most_lines: int = MOST_LINES) -> tuple[Log, ...]:
    """Return the output of each Step and Sidecar that wrote something, in the order in which they began to."""
    lines: dict[Source, list[Line]] = {}
    before_gap: set[Source] = set()
    for found in run.lines():
        if found is None:
            before_gap = set(lines)
        else:
            lines.setdefault(found[0], []).append(found[1])
    sizes = {source: sum(len(line.text) + _LINE_COST for line in each) for source, each in lines.items()}
    bytes_of = fair_shares(sizes, most_bytes)
    lines_of = fair_shares({source: len(each) for source, each in lines.items()}, most_lines)
    return tuple(
        _bounded(source, each, bytes_of[source], lines_of[source], is_cut=source in before_gap)
        for source, each in lines.items()
    )


def fair_shares(wanted: Mapping[Source, int], total: int) -> dict[Source, int]:
    """Return how much of `total` each gets: what it wants, or as much as everybody else who does not get that."""
    shares = {}
    left = total
    for place, (source, amount) in enumerate(sorted(wanted.items(), key=lambda item: item[1])):
        shares[source] = min(amount, left // (len(wanted) - place))
        left -= shares[source]
    return shares


def _bounded(source: Source, lines: Sequence[Line], most_bytes: int, most_lines: int, *, is_cut: bool) -> Log:
    first = _fitting(iter(lines), int(most_bytes * _SHARE_OF_BEGINNING), int(most_lines * _SHARE_OF_BEGINNING))
    if len(lines) <= most_lines and _fitting(iter(lines), most_bytes, most_lines) == len(lines):
        return Log(source, tuple(lines), 0, (), is_cut)
    rest = reversed(lines[first:])
    last = _fitting(rest, most_bytes - int(most_bytes * _SHARE_OF_BEGINNING), most_lines - first)
    end = len(lines) - last
    return Log(source, tuple(lines[:first]), end - first, tuple(lines[end:]), is_cut)


def _fitting(lines: Iterator[Line], most_bytes: int, most_lines: int) -> int:
    """Return how many of the lines fit."""
    count = size = 0
    for line in lines:
        size += len(line.text) + _LINE_COST
        if size > most_bytes or count == most_lines:
            break
        count += 1
    return count


def lines_markup(lines: Sequence[Line], first: int, started: float) -> Iterator[Html]:
    """Yield lines as markup, chunk by chunk; the first one has the number `first` (from 1)."""
    for start in range(0, len(lines), CHUNK_LINES):
        chunk = lines[start : start + CHUNK_LINES]
        texts = "".join(
            f'<span data-t="+{max(line.at - started, 0):.1f}s">{coloured_text(line.text)}\n</span>' for line in chunk
        )
        number = first + start
        # the numbers begin at a line, since what a browser leaves out keeps its counters to itself
        counted = texts.replace("<span ", f'<span style="counter-reset:line {number - 1}" ', 1)
        height = f"contain-intrinsic-size:auto {len(chunk) * 1.4:.1f}em"
        yield Html(f'<pre class="chunk" data-first="{number}" style="{height}">{counted}</pre>')
