"""The output of a run on its page: grouped by Step, limited in size, and laid out lazily by the browser.

Rules:

- A page has at most `MOST_BYTES` of text and `MOST_LINES` lines. If a run wrote more, Steps with little output keep all
  of it, and the others get equal shares: some lines from the beginning, and more from the end.
- Line numbers count all lines, including omitted ones.

``coloured_text`` handles colours; ``page.css`` and ``page.js`` handle layout and search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monopod.runner.records.output_lines import Line, Source
from monopod.runner.records.recorded_run import RecordedRun
from monopod.runner.reports.coloured_text import coloured_text
from monopod.runner.reports.html import Html

MOST_BYTES = 12 * 1024 * 1024
MOST_LINES = 150_000
CHUNK_LINES = 400
"""Lines that a browser lays out together when they scroll into view."""
_LINE_COST = 32
"""Bytes of markup per line."""
_SHARE_OF_BEGINNING = 0.2


@dataclass(frozen=True, slots=True)
class Log:
    """The output of one Step: ``beginning`` and ``end``, with ``left_out`` lines omitted between them.

    ``is_cut``: the record does not contain earlier output.
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
    """Return the output of each Step and Sidecar, in the order of their first lines."""
    lines: dict[Source, list[Line]] = {}
    before_gap: set[Source] = set()
    for entry in run.lines():
        if entry is None:
            before_gap = set(lines)
        else:
            source, line = entry
            lines.setdefault(source, []).append(line)
    sizes = {source: sum(len(line.text) + _LINE_COST for line in written) for source, written in lines.items()}
    bytes_of = fair_shares(sizes, most_bytes)
    lines_of = fair_shares({source: len(written) for source, written in lines.items()}, most_lines)
    return tuple(
        _bounded(source, written, bytes_of[source], lines_of[source], is_cut=source in before_gap)
        for source, written in lines.items()
    )


def fair_shares(wanted: Mapping[Source, int], total: int) -> dict[Source, int]:
    """Share `total`: each source gets what it wants, or the same share as all other sources that want more."""
    shares = {}
    left = total
    for number, (source, amount) in enumerate(sorted(wanted.items(), key=lambda item: item[1])):
        shares[source] = min(amount, left // (len(wanted) - number))
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
    """Yield lines as markup, chunk by chunk. The first line has the number `first` (from 1)."""
    for start in range(0, len(lines), CHUNK_LINES):
        chunk = lines[start : start + CHUNK_LINES]
        texts = "".join(
            f'<span data-t="+{max(line.at - started, 0):.1f}s">{coloured_text(line.text)}\n</span>' for line in chunk
        )
        number = first + start
        # each chunk sets its counter, because chunks that are not laid out do not count
        counted = texts.replace("<span ", f'<span style="counter-reset:line {number - 1}" ', 1)
        height = f"contain-intrinsic-size:auto {len(chunk) * 1.4:.1f}em"
        yield Html(f'<pre class="chunk" data-first="{number}" style="{height}">{counted}</pre>')
